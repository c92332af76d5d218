/** How much better than its group each rollout was. */

export interface AdvantageSettings {
  /** `std` divides by the group's standard deviation (GRPO), `mean` does not (Dr.GRPO). */
  readonly baseline: 'std' | 'mean';
  /** `population` divides the squares by G, `sample` by G − 1 (TRL). */
  readonly std: 'population' | 'sample';
  /** Added to the standard deviation. */
  readonly epsilon: number;
}

export const defaultAdvantage: AdvantageSettings = { baseline: 'std', std: 'population', epsilon: 1e-4 };

/**
 * A_i = (r_i − r̄) / (σ_r + ε)   ('std')   or   A_i = r_i − r̄   ('mean').
 * Equal rewards, and a group of 1, carry no signal: every A_i is 0. A reward that is NaN is unknown (no function could
 * score the answer): it is left out of r̄ and σ_r, and its A_i is 0. Throws a RangeError for an infinite reward.
 */
export function groupAdvantages(rewards: ArrayLike<number>, settings: Partial<AdvantageSettings> = {}): Float64Array {
  const all = Float64Array.from(rewards);
  const known = all.filter((reward) => !Number.isNaN(reward));
  if (!known.every(Number.isFinite)) throw new RangeError(`groupAdvantages: rewards [${all}] are not all finite`);
  const advantages = knownAdvantages(known, { ...defaultAdvantage, ...settings });
  let next = 0;
  return all.map((reward) => (Number.isNaN(reward) ? 0 : (advantages[next++] as number)));
}

function knownAdvantages(values: Float64Array, { baseline, std, epsilon }: AdvantageSettings): Float64Array {
  // Compared, not computed: a mean of equal numbers may differ from them in the last bit.
  if (values.every((reward) => reward === values[0])) return new Float64Array(values.length);
  const centred = values.map((reward) => reward - mean(values));
  if (baseline === 'mean') return centred;
  const deviation = Math.sqrt(sumOfSquares(centred) / (std === 'sample' ? values.length - 1 : values.length));
  // Differences so small that their squares vanish count as equal rewards.
  const divisor = deviation + epsilon;
  return divisor === 0 ? new Float64Array(values.length) : centred.map((difference) => difference / divisor);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sumOfSquares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
