/** Prints a comparison as the table that README publishes. */
import { type ComparisonRow, type Measure, selectMethod, solvedAt } from '../../src/evaluation/compare.js';
import { absent, fixed, signed } from '../../src/report/format.js';
import { orderMethods } from '../../src/report/method-order.js';
import { type Spread, spread } from '../../src/report/statistics.js';
import { findBest, tableIterations } from '../../src/report/summary.js';

/** The rows of a comparison, of which the table reads only these fields. */
export type TableRow = Pick<ComparisonRow, 'method' | 'seed' | 'evaluation'>;

/** The measure at every k; corrections and unreadable answers are those of whole answers. */
export type TableMeasure = 'solved' | 'quality';

interface Column {
  readonly head: string;
  readonly measure: Measure;
  readonly show: (value: number) => string;
  readonly ranked: boolean;
}

const names: Readonly<Record<string, string>> = { grpo: 'GRPO', exit: 'ExIt' };

const qualityAt =
  (k: number): Measure =>
  ({ quality, k: ks }) =>
    quality[ks.indexOf(k)];

function listColumns(rows: readonly TableRow[], measure: TableMeasure): Column[] {
  const tenths = (value: number): string => fixed(value, 1);
  const atK = measure === 'solved' ? solvedAt : qualityAt;
  const delta: Measure = ({ deltaSolved, deltaQuality }) => (measure === 'solved' ? deltaSolved : deltaQuality);
  const plain = { show: tenths, ranked: false };
  return [
    ...tableIterations(rows.map(({ evaluation }) => evaluation)).map((k) => ({
      ...{ head: k === 0 ? 'k=0' : String(k), measure: atK(k), show: tenths, ranked: true },
    })),
    { head: 'ΔK', measure: delta, show: (value) => signed(value, 1), ranked: true },
    { head: 'fixed per 100', measure: ({ fixedTotal }) => fixedTotal, ...plain },
    { head: 'broken per 100', measure: ({ brokenTotal }) => brokenTotal, ...plain },
    { head: 'unreadable rewrites %', measure: ({ unreadableRewrites }) => unreadableRewrites, ...plain },
  ];
}

function cell({ show }: Column, { mean, deviation }: Spread, isBest: boolean): string {
  const value = show(mean);
  if (value === absent) return value;
  const text = Number.isFinite(deviation) ? `${value} ± ${fixed(deviation, 1)}` : value;
  return isBest ? `**${text}**` : text;
}

/**
 * Formats a Markdown table, one line per method: the measure in % at k = 0, 1, 2, 4, …, its gain ΔK, the answers fixed and
 * broken over all k per 100 chains, and the unreadable rewrites in %; mean ± sample standard deviation over seeds, the
 * best mean at each k in bold.
 */
export function markdownTable(rows: readonly TableRow[], measure: TableMeasure = 'solved'): string {
  const methods = orderMethods(rows.map(({ method }) => method));
  const columns = listColumns(rows, measure).map((column) => {
    const spreads = methods.map((method) =>
      spread(
        selectMethod(rows, method).map(({ evaluation }) => {
          const value = column.measure(evaluation);
          return value === undefined ? undefined : 100 * value;
        }),
      ),
    );
    const best = column.ranked ? findBest(spreads, column.show) : [];
    return { head: column.head, cells: spreads.map((one, row) => cell(column, one, best.includes(row))) };
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...columns.map(({ head }) => head)]).replace('|  |', '| |'),
    `|${'---|'.repeat(columns.length + 1)}`,
    ...methods.map((method, row) => line([names[method] ?? method, ...columns.map(({ cells }) => cells[row] ?? '')])),
  ].join('\n');
}
