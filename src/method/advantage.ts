/** Advantages: how much better than its group each rollout is, from rewards to one number per rollout. */

import { defaultAdvantage } from '../config/schema.js';
import type { Embedder } from '../embedder/embedder.js';
import { sum } from '../stats.js';
import { applyDiversity, measureDiversity } from './diversity.js';
import type { Group, RewardPlan } from './group.js';
import { type MethodName, methods } from './methods.js';
import type { Rollout } from './rollout.js';

export interface AdvantageSettings {
  /** `std` divides by a standard deviation (GRPO), `mean` does not (Dr.GRPO), `leave-one-out` compares with the others. */
  readonly baseline: 'std' | 'mean' | 'leave-one-out';
  /** What the standard deviation of `std` is taken over. */
  readonly stdOver: 'group' | 'batch';
  /** `population` divides the squares by their number, `sample` by one less (TRL). */
  readonly std: 'population' | 'sample';
  /** Added to the standard deviation. */
  readonly epsilon: number;
  /** A group of one has nothing to be compared with: no advantage, or its reward (verl: mean 0, deviation 1). */
  readonly groupOfOne: 'zero' | 'reward';
}

/** `sum-then-normalise`: advantages of the weighted sum; `normalise-then-sum`: of every function by itself (GDPO). */
export type Aggregation = 'sum-then-normalise' | 'normalise-then-sum';

/** What one reward function said of a group; NaN where it could not score. */
export interface WeightedValues {
  readonly weight: number;
  readonly values: ArrayLike<number>;
}

/**
 * A_i = (r_i − r̄) / (σ_r + ε)   ('std')   or   A_i = r_i − r̄   ('mean')   or   A_i = r_i − mean of the others.
 * Equal rewards, and a group of 1, carry no signal: every A_i is 0. A reward that is NaN could not be scored: it stays
 * out of the baseline and its A_i is 0 (TRL). Throws a RangeError for an infinite reward.
 */
export function groupAdvantages(rewards: ArrayLike<number>, settings: Partial<AdvantageSettings> = {}): Float64Array {
  return batchAdvantages([rewards], settings)[0] as Float64Array;
}

/** The advantages of every group of a batch; σ_r is the group's or, with `stdOver: 'batch'`, that of all its rewards. */
export function batchAdvantages(
  groups: readonly ArrayLike<number>[],
  settings: Partial<AdvantageSettings> = {},
): Float64Array[] {
  const complete = { ...defaultAdvantage, ...settings };
  const rewards = groups.map((group) => Float64Array.from(group));
  const scored = rewards.map((group) => group.filter((reward) => !Number.isNaN(reward)));
  for (const group of scored) checkFinite(group);
  const ofBatch =
    complete.stdOver === 'batch'
      ? deviation(Float64Array.from(scored.flatMap((group) => [...group])), complete.std)
      : undefined;
  return rewards.map((group, at) => {
    const known = scored[at] as Float64Array;
    const advantages = compareInGroup(known, complete, ofBatch)[Symbol.iterator]();
    return group.map((reward) => (Number.isNaN(reward) ? 0 : (advantages.next().value ?? 0)));
  });
}

/**
 * R_i = Σ_k w_k (r_ik − r̄_k) / (σ_k + ε) over the functions k that scored i, with mean and deviation of i's group, and
 * A_i = (R_i − R̄) / (σ_R + ε) over the batch (GDPO, arXiv 2601.05242, as TRL's `normalize_then_sum`). `groups`: of every
 * group what each function said.
 */
export function normalisedAdvantages(
  groups: readonly (readonly WeightedValues[])[],
  settings: Partial<AdvantageSettings> = {},
): Float64Array[] {
  const how: Partial<AdvantageSettings> = { ...settings, baseline: 'std', stdOver: 'group', groupOfOne: 'zero' };
  const sums = groups.map((functions) => {
    const normalised = functions.map(({ values }) => groupAdvantages(values, how));
    return Float64Array.from(functions[0]?.values ?? [], (_, i) => {
      const isScored = functions.some(({ values }) => !Number.isNaN(values[i]));
      const total = functions.reduce((sum, { weight }, k) => sum + weight * (normalised[k]?.[i] ?? 0), 0);
      return isScored ? total : Number.NaN;
    });
  });
  const advantages = groupAdvantages(Float64Array.from(sums.flatMap((group) => [...group])), how);
  const starts = sums.map((_, at) => sums.slice(0, at).reduce((total, { length }) => total + length, 0));
  return sums.map(({ length }, at) => advantages.slice(starts[at], (starts[at] ?? 0) + length));
}

function checkFinite(rewards: Float64Array): void {
  if (!rewards.every(Number.isFinite)) throw new RangeError(`groupAdvantages: rewards [${rewards}] are not all finite`);
}

function compareInGroup(values: Float64Array, settings: AdvantageSettings, ofBatch: number | undefined): Float64Array {
  const { baseline, std, epsilon, groupOfOne } = settings;
  if (values.length === 1 && groupOfOne === 'reward') {
    return values.map((reward) => (baseline === 'std' ? reward / ((ofBatch ?? 1) + epsilon) : reward));
  }
  // Compared, not computed: a mean of equal numbers may differ from them in the last bit.
  if (values.every((reward) => reward === values[0])) return new Float64Array(values.length);
  const centre = mean(values);
  const centred = values.map((reward) => reward - centre);
  if (baseline === 'mean') return centred;
  // r_i − mean of the others = (r_i − r̄) G / (G − 1).
  if (baseline === 'leave-one-out') return centred.map((one) => (one * values.length) / (values.length - 1));
  const divisor = (ofBatch ?? spread(centred, std)) + epsilon;
  // Differences so small that their squares vanish count as equal rewards.
  return divisor === 0 ? new Float64Array(values.length) : centred.map((difference) => difference / divisor);
}

/** 0 for fewer than two values, as in TRL. */
function deviation(values: Float64Array, std: AdvantageSettings['std']): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return spread(
    values.map((value) => value - centre),
    std,
  );
}

const spread = (centred: Float64Array, std: AdvantageSettings['std']): number =>
  Math.sqrt(sumOfSquares(centred) / (std === 'sample' ? centred.length - 1 : centred.length));

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sumOfSquares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/** How a batch of groups gets its advantages. */
export interface BatchAdvantageSettings extends Partial<AdvantageSettings> {
  readonly aggregation?: Aggregation;
}

/** A group with one advantage per rollout, and the diversity factor d of each rollout where the method has a bonus. */
export interface CreditedGroup {
  readonly group: Group;
  readonly advantages: Float64Array;
  readonly factors?: Float64Array;
}

export interface CreditOptions {
  readonly config: {
    readonly method: MethodName;
    readonly advantage: BatchAdvantageSettings;
    readonly diversity: { readonly clamp: number };
  };
  readonly plan: Pick<RewardPlan, 'functions'>;
  readonly embedder: Embedder;
  readonly signal?: AbortSignal;
}

/** The advantages of every group, times the diversity d of its answers where the method has that bonus. */
export async function assignAdvantages(
  { config, plan, embedder, signal }: CreditOptions,
  groups: readonly Group[],
): Promise<readonly CreditedGroup[]> {
  const credited = creditGroups(groups, plan, config.advantage);
  if (!methods[config.method].diversityBonus) return credited;
  const factors = await measureDiversity(groups, embedder, config.diversity.clamp, signal);
  return credited.map((one, at) => {
    const d = factors[at] as Float64Array;
    return { ...one, advantages: applyDiversity(one.advantages, d), factors: d };
  });
}

/** The advantages of every group, without a bonus. */
export function creditGroups(
  groups: readonly Group[],
  plan: Pick<RewardPlan, 'functions'>,
  settings: BatchAdvantageSettings,
): readonly CreditedGroup[] {
  const advantages = aggregateAdvantages(groups, plan, settings);
  return groups.map((group, at) => ({ group, advantages: advantages[at] as Float64Array }));
}

/** One A per rollout of every group, by the aggregation that the settings name. */
export function aggregateAdvantages(
  groups: readonly Pick<Group, 'rewards' | 'columns'>[],
  { functions }: Pick<RewardPlan, 'functions'>,
  { aggregation = 'sum-then-normalise', ...settings }: BatchAdvantageSettings,
): Float64Array[] {
  if (aggregation === 'sum-then-normalise') {
    return batchAdvantages(
      groups.map(({ rewards }) => rewards),
      settings,
    );
  }
  const weighted = groups.map(({ columns }) =>
    columns.map(({ values }, at) => ({ weight: functions[at]?.weight ?? 1, values })),
  );
  return normalisedAdvantages(weighted, settings);
}

// Skipping groups without signal leaves the divisor of the others unchanged.

export interface SkipSettings {
  readonly overlongFilter: boolean;
  readonly objective: { readonly normalisation: { readonly kind: string } };
}

const hasSignal = ({ advantages }: CreditedGroup): boolean => advantages.some((advantage) => advantage !== 0);

/** Tokens that are trained on: none of a turn that the overlong filter masks. */
function countTrainedTokens(rollout: Rollout, overlongFilter: boolean): number {
  const kept = rollout.turns.filter(({ completion }) => !(overlongFilter && completion.finishReason === 'length'));
  return sum(kept.map(({ completion }) => completion.tokens.length));
}

/** The divisor of the loss: trained tokens, or rollouts. */
function lossDivisor(groups: readonly CreditedGroup[], { objective, overlongFilter }: SkipSettings): number {
  const rollouts = groups.flatMap(({ group }) => group.rollouts);
  if (!objective.normalisation.kind.endsWith('token-mean')) return rollouts.length;
  return Math.max(1, sum(rollouts.map((rollout) => countTrainedTokens(rollout, overlongFilter))));
}

/**
 * The groups with an advantage other than 0, each A_i times N_signal / N, where N is the divisor of the loss over all groups
 * and N_signal that over the groups that stay. The clipped surrogate is homogeneous in A (min(r A, clip(r) A) scales with
 * A > 0), so that without a KL penalty or an entropy bonus the gradient is that of the whole batch, up to rounding. Where no
 * group has a signal one of them stays, for the optimizer's step is part of an update.
 */
export function skipWithoutSignal(
  credited: readonly CreditedGroup[],
  settings: SkipSettings,
): readonly CreditedGroup[] {
  const kept = credited.filter(hasSignal);
  if (kept.length === credited.length) return credited;
  if (kept.length === 0) return credited.slice(0, 1);
  const scale = lossDivisor(kept, settings) / lossDivisor(credited, settings);
  return kept.map((one) => ({ ...one, advantages: one.advantages.map((advantage) => advantage * scale) }));
}
