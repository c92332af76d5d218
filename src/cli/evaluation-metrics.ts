/** An evaluation as flat metrics, for the line of the update after which it was made. */
import type { Evaluation } from '../evaluation/evaluation.js';

/** Whether quality and solved share at k are worth a column: 0, 1, 2, 4, 8, … and the last. */
function isColumn(k: number, last: number): boolean {
  return k === last || k === 0 || Number.isInteger(Math.log2(k));
}

export function evaluationMetrics(evaluation: Evaluation): Record<string, number> {
  const { k, quality, solved, deltaQuality, deltaSolved, netCorrections } = evaluation;
  const last = k.at(-1) ?? 0;
  const columns = k.filter((at) => isColumn(at, last));
  return {
    ...Object.fromEntries(columns.map((at) => [`eval/quality_${at}`, quality[at] ?? 0])),
    ...Object.fromEntries(columns.map((at) => [`eval/solved_${at}`, solved[at] ?? 0])),
    'eval/delta_quality': deltaQuality,
    'eval/delta_solved': deltaSolved,
    'eval/net_corrections': netCorrections,
  };
}
