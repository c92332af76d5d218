/** Sums, means and spreads. Every sum runs from the first value to the last, so that equal lists give equal bits. */

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The mean; 0 for no values. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

/** (1/n) Σ (x_i − x̄)²; 0 for no values. */
export function populationVariance(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
}

/** Sample standard deviation (divisor n − 1), as TRL reports it; 0 for fewer than two values. */
export function sampleStd(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

// Not Math.max(...values): a batch may hold more values than a call takes arguments.
/** The largest value; −∞ for none. */
export const highest = (values: readonly number[]): number =>
  values.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);

/** The smallest value; ∞ for none. */
export const lowest = (values: readonly number[]): number =>
  values.reduce((best, value) => Math.min(best, value), Number.POSITIVE_INFINITY);

/** The share of items for which `holds` is true; 0 for no items. */
export function share<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  return items.length === 0 ? 0 : items.filter(holds).length / items.length;
}
