/** Advantages: computes from the rewards of a batch how much better each rollout is than its group. */

import { type Fields, finiteNumber, oneOf, requireArgument, requireFields } from '../arguments.js';
import { defaultAdvantage } from '../config/schema.js';
import type { Embedder } from '../embedder/embedder.js';
import { mean, sum } from '../stats.js';
import { applyDiversity, measureDiversity } from './diversity.js';
import type { Group, RewardPlan } from './group.js';
import { type MethodName, methods } from './methods.js';
import { isOverlong, type Rollout } from './rollout.js';

/** How the rewards of a group become advantages; `groupAdvantages` has the formulas and their sources. */
export interface AdvantageSettings {
  /** `std` divides by a standard deviation (GRPO), `mean` does not (Dr.GRPO), `leave-one-out` compares with the others. */
  readonly baseline: 'std' | 'mean' | 'leave-one-out';
  /** The rewards whose standard deviation `std` divides by: those of the group, or of the whole batch. */
  readonly stdOver: 'group' | 'batch';
  /** `population` divides the squares by their number, `sample` by one less (TRL). */
  readonly std: 'population' | 'sample';
  /** Added to the standard deviation. */
  readonly epsilon: number;
  /** The advantage of a group of one, which has no baseline: 0, or its reward (verl: mean 0, deviation 1). */
  readonly groupOfOne: 'zero' | 'reward';
}

/** `sum-then-normalise` normalises the weighted sum of the rewards; `normalise-then-sum` each function's rewards (GDPO). */
export type Aggregation = 'sum-then-normalise' | 'normalise-then-sum';

/** The rewards of one function for a group; NaN where it returned null. */
export interface WeightedValues {
  readonly weight: number;
  readonly values: ArrayLike<number>;
}

const settingFields: Fields<AdvantageSettings> = {
  baseline: oneOf('std', 'mean', 'leave-one-out'),
  stdOver: oneOf('group', 'batch'),
  std: oneOf('population', 'sample'),
  epsilon: finiteNumber,
  groupOfOne: oneOf('zero', 'reward'),
};

const numbers = {
  words: 'a list of numbers',
  fits: (value: unknown): boolean => Array.isArray(value) || ArrayBuffer.isView(value),
};

/**
 * Computes the advantages of one group of G rewards:
 * A_i = (r_i − r̄) / (σ_r + ε)   ('std', GRPO, arXiv 2402.03300),
 * A_i = r_i − r̄   ('mean', Dr.GRPO, arXiv 2503.20783), or
 * A_i = r_i − mean of the others   ('leave-one-out', RLOO, arXiv 2402.14740).
 * Equal rewards, and a group of one, carry no signal: every A_i is 0. A reward of NaN is unknown: the baseline
 * leaves it out and its A_i is 0 (TRL). Returns G numbers in the order of the rewards.
 * @throws RangeError when a reward is infinite, InvalidRequestError for a setting that is unknown or wrong.
 *
 * @example
 * import { groupAdvantages } from 'exit-rl/method';
 *
 * console.log(groupAdvantages([1, 0, 0, 1], { baseline: 'mean' })); // Float64Array(4) [ 0.5, -0.5, -0.5, 0.5 ]
 */
export function groupAdvantages(rewards: ArrayLike<number>, settings: Partial<AdvantageSettings> = {}): Float64Array {
  requireArgument('groupAdvantages', { rewards }, numbers);
  requireFields<AdvantageSettings>('groupAdvantages', settings, settingFields);
  return batchAdvantages([rewards], settings)[0] as Float64Array;
}

/**
 * Computes the advantages of every group of a batch, each in the order of its rewards; σ_r is the group's or, with
 * `stdOver: 'batch'`, that of all rewards of the batch.
 * @throws RangeError when a reward is infinite.
 */
export function batchAdvantages(
  groups: readonly ArrayLike<number>[],
  settings: Partial<AdvantageSettings> = {},
): Float64Array[] {
  const complete = { ...defaultAdvantage, ...settings };
  const rewards = groups.map((group) => Float64Array.from(group));
  const known = rewards.map((group) => group.filter((reward) => !Number.isNaN(reward)));
  for (const group of known) requireFinite(group);
  const batchDeviation =
    complete.stdOver === 'batch'
      ? deviation(Float64Array.from(known.flatMap((group) => [...group])), complete.std)
      : undefined;
  return rewards.map((group, at) => {
    const advantages = compareInGroup(known[at] as Float64Array, complete, batchDeviation);
    let next = 0;
    return group.map((reward) => (Number.isNaN(reward) ? 0 : (advantages[next++] ?? 0)));
  });
}

/**
 * Computes A_i = (R_i − R̄) / (σ_R + ε) over the batch, with R_i = Σ_k w_k (r_ik − r̄_k) / (σ_k + ε) over the functions k
 * that rewarded i, and r̄_k and σ_k of i's group (GDPO, arXiv 2601.05242, as TRL's `normalize_then_sum`). `groups` holds, for
 * every group, the values of each function.
 * @throws RangeError when a value is infinite.
 */
export function normalisedAdvantages(
  groups: readonly (readonly WeightedValues[])[],
  settings: Partial<AdvantageSettings> = {},
): Float64Array[] {
  const normalisation: Partial<AdvantageSettings> = {
    ...settings,
    baseline: 'std',
    stdOver: 'group',
    groupOfOne: 'zero',
  };
  const sums = groups.map((functions) => {
    const normalised = functions.map(({ values }) => groupAdvantages(values, normalisation));
    return Float64Array.from(functions[0]?.values ?? [], (_, i) => {
      const isRewarded = functions.some(({ values }) => !Number.isNaN(values[i]));
      const total = functions.reduce((sum, { weight }, k) => sum + weight * (normalised[k]?.[i] ?? 0), 0);
      return isRewarded ? total : Number.NaN;
    });
  });
  const advantages = groupAdvantages(Float64Array.from(sums.flatMap((group) => [...group])), normalisation);
  const starts = sums.map((_, at) => sums.slice(0, at).reduce((total, { length }) => total + length, 0));
  return sums.map(({ length }, at) => advantages.slice(starts[at], (starts[at] ?? 0) + length));
}

function requireFinite(rewards: Float64Array): void {
  if (!rewards.every(Number.isFinite)) throw new RangeError(`groupAdvantages: rewards [${rewards}] are not all finite`);
}

function compareInGroup(
  values: Float64Array,
  settings: AdvantageSettings,
  batchDeviation: number | undefined,
): Float64Array {
  const { baseline, std, epsilon, groupOfOne } = settings;
  if (values.length === 1 && groupOfOne === 'reward') {
    return values.map((reward) => (baseline === 'std' ? reward / ((batchDeviation ?? 1) + epsilon) : reward));
  }
  // Compares the rewards instead of testing the deviation for 0: a mean of equal numbers may differ from them in the last bit.
  if (values.every((reward) => reward === values[0])) return new Float64Array(values.length);
  const centre = mean(values);
  const centred = values.map((reward) => reward - centre);
  if (baseline === 'mean') return centred;
  // r_i − mean of the others = (r_i − r̄) G / (G − 1).
  if (baseline === 'leave-one-out') return centred.map((one) => (one * values.length) / (values.length - 1));
  const divisor = (batchDeviation ?? spread(centred, std)) + epsilon;
  // Differences whose squares underflow to 0 count as equal rewards.
  return divisor === 0 ? new Float64Array(values.length) : centred.map((difference) => difference / divisor);
}

/** The standard deviation; 0 for fewer than two values, as in TRL. */
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

const sumOfSquares = (values: Float64Array): number => sum(values.map((value) => value * value));

/** Settings of the advantages of a batch. */
export interface BatchAdvantageSettings extends Partial<AdvantageSettings> {
  readonly aggregation?: Aggregation;
}

/** A group with one advantage per rollout. Where the method has a bonus the advantages are A · d. */
export interface CreditedGroup {
  readonly group: Group;
  readonly advantages: Float64Array;
  /** The diversity factor d of each rollout. */
  readonly factors?: Float64Array;
  /** A of each rollout, before the bonus. */
  readonly plain?: Float64Array;
}

/** The parts that `applyDiversityBonus` works with. */
export interface BonusOptions {
  readonly config: { readonly method: MethodName; readonly diversity: { readonly clamp: number } };
  readonly embedder: Embedder;
  readonly signal?: AbortSignal;
}

/**
 * Multiplies the advantages by the diversity d of the answers, where the method has that bonus (`exit`).
 * @throws CancelledError when the signal fires.
 */
export async function applyDiversityBonus(
  { config, embedder, signal }: BonusOptions,
  credited: readonly CreditedGroup[],
): Promise<readonly CreditedGroup[]> {
  if (!methods[config.method].diversityBonus) return credited;
  const groups = credited.map(({ group }) => group);
  const factors = await measureDiversity(groups, embedder, config.diversity.clamp, signal);
  return credited.map((one, at) => {
    const d = factors[at] as Float64Array;
    return { ...one, advantages: applyDiversity(one.advantages, d), factors: d, plain: one.advantages };
  });
}

/**
 * Computes one advantage for each rollout of every group, without a bonus.
 * @throws RangeError when a reward is infinite.
 */
export function assignAdvantages(
  groups: readonly Group[],
  plan: Pick<RewardPlan, 'functions'>,
  settings: BatchAdvantageSettings,
): readonly CreditedGroup[] {
  const advantages = aggregateAdvantages(groups, plan, settings);
  return groups.map((group, at) => ({ group, advantages: advantages[at] as Float64Array }));
}

/** Computes one A per rollout of every group by the aggregation that the settings name. */
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

/** The settings that determine the divisor of the loss. */
export interface SkipSettings {
  readonly overlongFilter: boolean;
  readonly objective: { readonly normalisation: { readonly kind: string } };
}

const hasAdvantage = ({ advantages }: CreditedGroup): boolean => advantages.some((advantage) => advantage !== 0);

/** Counts the tokens that are trained on: none of a turn that the overlong filter masks. */
function countTrainedTokens(rollout: Rollout, overlongFilter: boolean): number {
  const kept = rollout.turns.filter((_, at) => !(overlongFilter && isOverlong(rollout, at)));
  return sum(kept.map(({ completion }) => completion.tokens.length));
}

/** The divisor of the loss: trained tokens, or rollouts. */
function lossDivisor(groups: readonly CreditedGroup[], { objective, overlongFilter }: SkipSettings): number {
  const rollouts = groups.flatMap(({ group }) => group.rollouts);
  if (!objective.normalisation.kind.endsWith('token-mean')) return rollouts.length;
  return Math.max(1, sum(rollouts.map((rollout) => countTrainedTokens(rollout, overlongFilter))));
}

/**
 * Keeps the groups with an advantage other than 0 and multiplies each A_i by N_signal / N, where N is the divisor of the
 * loss over all groups and N_signal that over the kept ones. The clipped surrogate is homogeneous in A (min(r A, clip(r) A)
 * scales with A > 0), so without a KL penalty or an entropy bonus the gradient equals that of the whole batch, up to
 * rounding. Where no group has a signal it keeps one, because the optimizer's step is part of an update.
 */
export function skipWithoutSignal(
  credited: readonly CreditedGroup[],
  settings: SkipSettings,
): readonly CreditedGroup[] {
  const kept = credited.filter(hasAdvantage);
  if (kept.length === credited.length) return credited;
  if (kept.length === 0) return credited.slice(0, 1);
  const scale = lossDivisor(kept, settings) / lossDivisor(credited, settings);
  return kept.map((one) => ({ ...one, advantages: one.advantages.map((advantage) => advantage * scale) }));
}
