/** How much better than its group each rollout was. */
import { defaultAdvantage } from './config/schema.js';

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
    const advantages = advantagesOf(known, complete, ofBatch)[Symbol.iterator]();
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

function advantagesOf(values: Float64Array, settings: AdvantageSettings, ofBatch: number | undefined): Float64Array {
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
