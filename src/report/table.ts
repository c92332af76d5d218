/** Formats the comparison of methods for the terminal. */

import type { ComparisonRow } from '../evaluation/compare.js';
import type { Colours } from './colours.js';
import { fixed, signed } from './format.js';
import { type Cell, type Column, formatGrid, gridWidth } from './grid.js';
import type { Spread } from './statistics.js';
import { findBest, type MethodSummary, summariseMethods, tableIterations } from './summary.js';
import { pad } from './text.js';

export interface TableOptions {
  readonly colours: Colours;
  /** Columns of the terminal, 80 by default; a table that is too wide puts the spreads on separate lines. */
  readonly width?: number;
}

interface Measure {
  readonly head: string;
  readonly spreads: readonly Spread[];
  readonly show: (value: number) => string;
  /** True where larger is better: the best mean is bold. */
  readonly ranked: boolean;
}

function measures(summaries: readonly MethodSummary[], ks: readonly number[]): Measure[] {
  const corrections = (head: string, pick: (summary: MethodSummary) => Spread): Measure => ({
    head,
    spreads: summaries.map(pick),
    show: (value) => fixed(value, 1),
    // A method that breaks more has more to fix: neither is a rank of its own.
    ranked: false,
  });
  const solved = ks.map((k, index) => ({
    head: `k=${k}`,
    spreads: summaries.map((summary) => summary.solved[index] as Spread),
    show: (value: number) => fixed(value, 1),
    ranked: true,
  }));
  return [
    ...solved,
    { head: 'ΔK', spreads: summaries.map(({ delta }) => delta), show: (value) => signed(value, 1), ranked: true },
    corrections('fixed', ({ fixed: spread }) => spread),
    corrections('broken', ({ broken }) => broken),
    corrections('unread', ({ unreadable }) => unreadable),
    {
      head: 's',
      spreads: summaries.map(({ seconds }) => seconds),
      show: (value) => fixed(value, 0),
      ranked: false,
    },
  ];
}

/** Formats the deviation over seeds; empty where there is none. */
function deviationText({ spreads, show }: Measure, row: number): string {
  const deviation = spreads[row]?.deviation ?? Number.NaN;
  return Number.isFinite(deviation) ? `±${show(deviation).replace('+', '')}` : '';
}

/** Formats `12.2 ± 0.9` with the ± of a column aligned; a single run has no ±. */
function inlineSpreads(measure: Measure): string[] {
  const means = measure.spreads.map(({ mean }) => measure.show(mean));
  const deviations = means.map((_, row) => deviationText(measure, row).slice(1));
  const meanWidth = Math.max(...means.map((text) => text.length));
  const deviationWidth = Math.max(...deviations.map((text) => text.length));
  if (deviationWidth === 0) return means;
  const tail = (text: string) =>
    text === '' ? ' '.repeat(deviationWidth + 3) : ` ± ${pad(text, deviationWidth, 'right')}`;
  return means.map((mean, row) => pad(mean, meanWidth, 'right') + tail(deviations[row] ?? ''));
}

function boldBest({ ranked, spreads, show }: Measure, texts: readonly string[]): Cell[] {
  const best = ranked ? findBest(spreads, show) : [];
  return texts.map((text, row) => (best.includes(row) ? { text, tone: 'bold' } : text));
}

/** Builds rows of method name and one cell per measure. */
function inlineRows(summaries: readonly MethodSummary[], all: readonly Measure[]): Cell[][] {
  const columns = all.map((measure) => boldBest(measure, inlineSpreads(measure)));
  return summaries.map(({ method }, row) => [method, ...columns.map((cells) => cells[row] ?? '')]);
}

/** Like `inlineRows`, with the spreads below the means, for narrow terminals. */
function stackedRows(summaries: readonly MethodSummary[], all: readonly Measure[]): Cell[][] {
  const columns = all.map((measure) =>
    boldBest(
      measure,
      measure.spreads.map(({ mean }) => measure.show(mean)),
    ),
  );
  return summaries.flatMap((summary, row) => {
    const means: Cell[] = [summary.method, ...columns.map((cells) => cells[row] ?? '')];
    const deviations = all.map((measure): Cell => ({ text: deviationText(measure, row), tone: 'dim' }));
    return summary.count > 1 ? [means, ['', ...deviations]] : [means];
  });
}

/** Explains the heads, which are short so that six iterations fit 80 columns. */
const legend = 'fixed, broken: per 100 chains over all k; unread: % of rewrites; s: training';

/**
 * Formats solved % at k = 0, 1, 2, 4, … with ΔK (percentage points), the answers fixed and broken over all iterations per 100
 * chains, the share of unreadable rewrites and seconds of training; mean ± sample standard deviation where a method ran on several seeds, the best mean of a column in bold.
 */
export function comparisonTable(rows: readonly ComparisonRow[], { colours, width = 80 }: TableOptions): string {
  const ks = tableIterations(rows.map((row) => row.evaluation));
  const summaries = summariseMethods(rows, ks);
  const all = measures(summaries, ks);
  const columns: Column[] = [{ head: 'solved %', align: 'left' }, ...all.map(({ head }) => ({ head }))];
  const inline = inlineRows(summaries, all);
  const body = gridWidth(columns, inline) <= width ? inline : stackedRows(summaries, all);
  return `${[...formatGrid(columns, body, colours), colours.dim(legend)].join('\n')}\n`;
}
