/** Rows of a comparison, for its tests and for those of the acceptance of benchmarks. */
import type { ComparisonRow } from '../../src/evaluation/compare.js';

/** A row that solves `first` of its chains at k = 0, `early` at k = 4 and `late` at k = 16. */
export function row(method: string, seed: number | null, first: number, early: number, late: number): ComparisonRow {
  const solved = [first, early, late];
  const evaluation = {
    k: [0, 4, 16],
    quality: solved,
    solved,
    fixed: [0, 0, 0],
    broken: [0, 0, 0],
    deltaQuality: late - first,
    deltaSolved: late - first,
    fixedTotal: late - first,
    brokenTotal: 0,
    tasks: 600,
    draws: 1,
    seconds: 1,
  };
  return { method, seed, updates: 1200, trainSeconds: 1, evaluation, run: null };
}
