/** Sums, means and spreads. Every sum adds from the first value to the last, so that equal lists give equal bits. */

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < values.length; at++) total += values[at] as number;
  return total;
}

/** Computes the mean; 0 for an empty list. */
export function mean(values: ArrayLike<number>): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

/** Computes (1/n) Σ (x_i − x̄)²; 0 for an empty list. */
export function populationVariance(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
}

/** Computes the sample standard deviation (divisor n − 1), as TRL reports it; 0 for fewer than two values. */
export function sampleStd(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

// A batch may hold more values than Math.max(...values) takes arguments.
/** Finds the largest value; −∞ for an empty list. */
export const highest = (values: readonly number[]): number =>
  values.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);

/** Finds the smallest value; ∞ for an empty list. */
export const lowest = (values: readonly number[]): number =>
  values.reduce((best, value) => Math.min(best, value), Number.POSITIVE_INFINITY);

/** Computes the share of items for which `holds` is true; 0 for an empty list. */
export function share<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  return items.length === 0 ? 0 : items.filter(holds).length / items.length;
}
