/** Advantages of an update's groups, from their rewards or from what each reward function said. */
import { type AdvantageSettings, type Aggregation, batchAdvantages, normalisedAdvantages } from '../advantage.js';
import type { Group, RewardPlan } from '../group.js';

export interface ScoringSettings extends Partial<AdvantageSettings> {
  readonly aggregation?: Aggregation;
}

export function advantagesOf(
  groups: readonly Pick<Group, 'rewards' | 'parts'>[],
  { functions }: Pick<RewardPlan, 'functions'>,
  { aggregation = 'sum-then-normalise', ...settings }: ScoringSettings,
): Float64Array[] {
  if (aggregation === 'sum-then-normalise') {
    return batchAdvantages(
      groups.map(({ rewards }) => rewards),
      settings,
    );
  }
  const weightOf = (at: number): number => functions[at]?.weight ?? 1;
  const said = groups.map(({ parts }) => parts.map(({ values }, at) => ({ weight: weightOf(at), values })));
  return normalisedAdvantages(said, settings);
}
