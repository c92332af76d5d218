/** The time limit of a reward function. */
import { RewardTimeoutError } from '../errors.js';

/** The longest delay that setTimeout accepts; Node fires a longer one at once. */
const longestMilliseconds = 2 ** 31 - 1;

/** Calls `onTimeout` after `seconds`; 0 disables the limit. Returns a function that cancels the timer. */
export function deadline(seconds: number, onTimeout: (error: RewardTimeoutError) => void): () => void {
  if (seconds === 0) return () => {};
  const milliseconds = Math.min(seconds * 1000, longestMilliseconds);
  const timer = setTimeout(() => onTimeout(new RewardTimeoutError(seconds)), milliseconds);
  return () => clearTimeout(timer);
}
