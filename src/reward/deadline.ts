/** The time limit of a reward function. */
import { RewardTimeoutError } from '../errors.js';

/** Node takes a longer time for none at all. */
const longestMilliseconds = 2 ** 31 - 1;

/** Tells `late` when the time is over; 0 seconds are without end. Returns what calls it off. */
export function deadline(seconds: number, late: (error: RewardTimeoutError) => void): () => void {
  if (seconds === 0) return () => {};
  const timer = setTimeout(() => late(new RewardTimeoutError(seconds)), Math.min(seconds * 1000, longestMilliseconds));
  return () => clearTimeout(timer);
}
