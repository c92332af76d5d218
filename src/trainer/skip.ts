/** Leaving out groups that carry no signal, without changing what the others are divided by. */
import type { Rollout } from '../rollout.js';
import type { ScoredGroup } from './batch.js';

export interface SkipSettings {
  readonly overlongFilter: boolean;
  readonly objective: { readonly normalisation: { readonly kind: string } };
}

const isSilent = ({ advantages }: ScoredGroup): boolean => advantages.every((advantage) => advantage === 0);

/** Tokens that are trained on: none of a turn that the overlong filter masks. */
function trainedTokens(rollout: Rollout, overlongFilter: boolean): number {
  const kept = rollout.turns.filter(({ completion }) => !(overlongFilter && completion.finishReason === 'length'));
  return kept.reduce((sum, { completion }) => sum + completion.tokens.length, 0);
}

/** What the loss is divided by: trained tokens, or rollouts. */
function weightOf(groups: readonly ScoredGroup[], { objective, overlongFilter }: SkipSettings): number {
  const rollouts = groups.flatMap(({ group }) => group.rollouts);
  if (!objective.normalisation.kind.endsWith('token-mean')) return rollouts.length;
  return Math.max(
    1,
    rollouts.reduce((sum, rollout) => sum + trainedTokens(rollout, overlongFilter), 0),
  );
}

/**
 * The groups with an advantage other than 0, each A_i times N_live / N, where N is the normaliser of all groups and N_live
 * that of the ones that stay. The clipped surrogate is homogeneous in A (min(r A, clip(r) A) scales with A > 0), so that
 * without a KL penalty or an entropy bonus the gradient is that of the whole batch, up to rounding. Where no group has a
 * signal one of them stays, for the optimizer's step is part of an update.
 */
export function withoutSilent(scored: readonly ScoredGroup[], settings: SkipSettings): readonly ScoredGroup[] {
  const live = scored.filter((one) => !isSilent(one));
  if (live.length === scored.length) return scored;
  if (live.length === 0) return scored.slice(0, 1);
  const share = weightOf(live, settings) / weightOf(scored, settings);
  return live.map(({ group, advantages }) => ({ group, advantages: advantages.map((advantage) => advantage * share) }));
}
