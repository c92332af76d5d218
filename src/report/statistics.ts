/** Means and spreads over seeds. Values that are not finite are left out, as if never measured. */

export interface Spread {
  readonly mean: number;
  /** Sample standard deviation (n − 1); NaN for fewer than two values. */
  readonly deviation: number;
  readonly count: number;
}

/** Mean and sample standard deviation of the finite values; the mean of none is NaN. */
export function spread(values: readonly (number | undefined)[]): Spread {
  const finite = values.filter((value): value is number => value !== undefined && Number.isFinite(value));
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean,
    deviation: finite.length > 1 ? Math.sqrt(squares / (finite.length - 1)) : Number.NaN,
    count: finite.length,
  };
}

// Student's t, two-sided 95 %, for 1 to 30 degrees of freedom (Fisher & Yates' table).
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/**
 * Half the width of the 95 % confidence interval of the mean: t(0.975, n − 1) · s / √n.
 * NaN for fewer than two values: one seed says nothing about spread.
 */
export function confidenceHalfWidth({ deviation, count }: Spread): number {
  if (count < 2) return Number.NaN;
  return ((studentT[count - 2] ?? 1.96) * deviation) / Math.sqrt(count);
}
