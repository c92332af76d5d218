/** Means and spreads over known values. */
import { type Summary, summarise } from '../evaluation/compare.js';

export type Spread = Summary;

/** Computes mean, sample standard deviation and confidence half width of the finite values; it ignores all others. */
export function spread(values: readonly (number | undefined)[]): Spread {
  return summarise(values.filter((value): value is number => value !== undefined && Number.isFinite(value)));
}
