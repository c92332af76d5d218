/** Means and spreads over what is known. */
import { type Summary, summarise } from '../evaluation/compare.js';

export type Spread = Summary;

/** Mean, sample standard deviation and confidence half width of the finite values; others count as never measured. */
export function spread(values: readonly (number | undefined)[]): Spread {
  return summarise(values.filter((value): value is number => value !== undefined && Number.isFinite(value)));
}
