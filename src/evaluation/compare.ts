/** Compares methods over seeds: means with their spread, and differences seed by seed. */
import type { Evaluation } from './evaluation.js';

/** One evaluated model of a comparison: a trained run, or the base model, whose seed and run are null. */
export interface ComparisonRow {
  readonly method: string;
  readonly seed: number | null;
  readonly updates: number;
  readonly trainSeconds: number;
  readonly evaluation: Evaluation;
  /** The run folder, relative to the comparison's. */
  readonly run: string | null;
}

export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** Sample standard deviation (n − 1); NaN for fewer than two values. */
  readonly deviation: number;
  /** Half the width of the mean's 95 % confidence interval by Student's t; NaN for fewer than two values. */
  readonly halfWidth: number;
}

// Student's t, two-sided 95 %, for 1 to 30 degrees of freedom (Fisher & Yates' table).
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Computes mean, sample standard deviation s, and the half width t(0.975, n − 1) · s / √n. */
export function summarise(values: readonly number[]): Summary {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : Number.NaN;
  return { count, mean, deviation, halfWidth: ((studentT[count - 2] ?? 1.96) * deviation) / Math.sqrt(count) };
}

export interface SeedDifference {
  readonly seed: number;
  readonly difference: number;
}

export interface MethodDifference {
  readonly perSeed: readonly SeedDifference[];
  readonly summary: Summary;
}

/** Reads a number from an evaluation; undefined where it was not measured. */
export type Measure = (evaluation: Evaluation) => number | undefined;

/** Reads the share of solved chains after k iterations; undefined where the evaluation made fewer. */
export const solvedAt =
  (k: number): Measure =>
  (evaluation) =>
    evaluation.solved[evaluation.k.indexOf(k)];

/** Selects the rows of one method. */
export const selectMethod = <Row extends Pick<ComparisonRow, 'method'>>(rows: readonly Row[], method: string): Row[] =>
  rows.filter((row) => row.method === method);

/** Computes `method` minus `baseline` on every seed that both have run. */
export function differences(
  rows: readonly ComparisonRow[],
  method: string,
  baseline: string,
  measure: Measure,
): MethodDifference {
  const perSeed = selectMethod(rows, method).flatMap(({ seed, evaluation }) => {
    const other = selectMethod(rows, baseline).find((row) => row.seed === seed);
    const ours = measure(evaluation);
    const theirs = other && measure(other.evaluation);
    return seed === null || ours === undefined || theirs === undefined ? [] : [{ seed, difference: ours - theirs }];
  });
  return { perSeed, summary: summarise(perSeed.map(({ difference }) => difference)) };
}
