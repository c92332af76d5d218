/** Scales of plot axes: round ticks, and the linear map from values to pixels. */

export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Computes the range of the finite values; widened for a single value, [0, 1] where there is none. */
export function rangeOf(values: Iterable<number>): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: 0, high: 1 };
  const margin = Math.abs(low) * 0.1 || 0.5;
  return low === high ? { low: low - margin, high: high + margin } : { low, high };
}

/** Chooses the step, 1, 2 or 5 times a power of ten, that divides the range into about `count` steps. */
function niceStep({ low, high }: Range, count: number): number {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

/** Lists round values inside the range, about `count` of them. */
export function ticks(range: Range, count: number): number[] {
  const step = niceStep(range, count);
  const first = Math.ceil(range.low / step - 1e-9);
  const last = Math.floor(range.high / step + 1e-9);
  // Rounded to 12 digits, so that 3 · 0.1 shows as 0.3.
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** Widens the range to whole tick steps, so that curves do not touch the frame. */
export function niceRange(range: Range, count: number): Range {
  const step = niceStep(range, count);
  return { low: Math.floor(range.low / step + 1e-9) * step, high: Math.ceil(range.high / step - 1e-9) * step };
}

/** Creates the linear map from [low, high] to [from, to]. */
export function linear({ low, high }: Range, from: number, to: number): (value: number) => number {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}
