/** The learnability score S of a start, from the members of its group whose quality is known. */
import { populationVariance } from '../stats.js';
import { countsInScore, type ScoreSettings } from './outcome.js';
import type { Rollout } from './rollout.js';

/**
 * Computes S = (1/G) Σ (q_i − q̄)², the population variance of qualities in [0, 1], at most 0.25; 0 for fewer than two.
 *
 * @example
 * import { learnabilityScore } from 'exit-rl/method';
 *
 * console.log(learnabilityScore([1, 0, 1, 0])); // 0.25
 */
export function learnabilityScore(qualities: ArrayLike<number>): number {
  return populationVariance(Array.from(qualities));
}

/**
 * Scores a start by its group. NaN, unknown, unless at least two members and half of the group count: a variance over
 * the few that infrastructure spared says nothing about the start.
 */
export function scoreGroup(rollouts: readonly Pick<Rollout, 'outcome' | 'quality'>[], settings: ScoreSettings): number {
  const counted = rollouts.filter(({ outcome, quality }) => !Number.isNaN(quality) && countsInScore(outcome, settings));
  if (counted.length < Math.max(2, rollouts.length / 2)) return Number.NaN;
  return learnabilityScore(counted.map(({ quality }) => quality));
}
