/** Summarises a comparison per method over its seeds. */

import type { ComparisonRow } from '../evaluation/compare.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import { orderMethods } from './method-order.js';
import { type Spread, spread } from './statistics.js';

export interface MethodSummary {
  readonly method: string;
  /** Number of rows of this method, one per seed. */
  readonly count: number;
  /** Per k of `ks`: solved, in percent. */
  readonly solved: readonly Spread[];
  /** Gain in solved from k = 0 to K, in percentage points. */
  readonly delta: Spread;
  /** Wrong → right, summed over all iterations up to K, per 100 chains. */
  readonly fixed: Spread;
  /** Right → wrong, summed likewise. */
  readonly broken: Spread;
  /** Rewrites that could not be read or were cut off, in percent; the mean is NaN where that was not counted. */
  readonly unreadable: Spread;
  /** Training time of one run; the mean is NaN for a row that did not train. */
  readonly seconds: Spread;
}

/** Returns the value of `list` at iteration `k`; undefined where it was not evaluated. */
export function at(evaluation: Evaluation, list: readonly number[], k: number): number | undefined {
  const index = evaluation.k.indexOf(k);
  return index < 0 ? undefined : list[index];
}

/**
 * Lists the iterations of a table: the evaluated ones of 0, 1, 2, 4, 8, 16, …, and always the last; all of them where the
 * evaluation reports a choice of its own.
 */
export function tableIterations(evaluations: readonly Evaluation[]): number[] {
  const seen = new Set(evaluations.flatMap((evaluation) => evaluation.k));
  const last = Math.max(...seen, 0);
  const isChosen = seen.size <= last;
  return [...seen]
    .filter((k) => isChosen || k === 0 || k === last || Number.isInteger(Math.log2(k)))
    .sort((a, b) => a - b);
}

function summarise(method: string, rows: readonly ComparisonRow[], ks: readonly number[]): MethodSummary {
  const toPercent = (share: number | undefined) => (share === undefined ? undefined : 100 * share);
  return {
    method,
    count: rows.length,
    solved: ks.map((k) => spread(rows.map(({ evaluation }) => toPercent(at(evaluation, evaluation.solved, k))))),
    delta: spread(rows.map(({ evaluation }) => 100 * evaluation.deltaSolved)),
    fixed: spread(rows.map(({ evaluation }) => 100 * evaluation.fixedTotal)),
    broken: spread(rows.map(({ evaluation }) => 100 * evaluation.brokenTotal)),
    unreadable: spread(rows.map(({ evaluation }) => toPercent(evaluation.unreadableRewrites))),
    seconds: spread(rows.map((row) => (row.trainSeconds > 0 ? row.trainSeconds : undefined))),
  };
}

/** Returns one summary per method, in the paper's order. */
export function summariseMethods(rows: readonly ComparisonRow[], ks: readonly number[]): MethodSummary[] {
  return orderMethods(rows.map((row) => row.method)).map((method) =>
    summarise(
      method,
      rows.filter((row) => row.method === method),
      ks,
    ),
  );
}

/** Finds the rows to set in bold: those that show the largest mean; none where fewer than two means are known. */
export function findBest(spreads: readonly Spread[], show: (value: number) => string): readonly number[] {
  const means = spreads.map(({ mean }) => mean);
  const known = means.filter(Number.isFinite);
  if (known.length < 2) return [];
  const best = show(Math.max(...known));
  return means.flatMap((mean, row) => (Number.isFinite(mean) && show(mean) === best ? [row] : []));
}
