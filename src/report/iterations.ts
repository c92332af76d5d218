/** Renders plots of the evaluation against k, with confidence bands over seeds. */

import type { Evaluation } from '../evaluation/evaluation.js';
import { fixed, percent, signed } from './format.js';
import { lookOf, orderMethods } from './method-order.js';
import { type BandPoint, legend, type Plot, type PlotLine, renderPlot } from './plot.js';
import type { Point } from './series.js';
import { type Spread, spread } from './statistics.js';
import { at, tableIterations } from './summary.js';

/** An evaluation with the name of its line. */
export interface NamedEvaluation {
  readonly method: string;
  readonly evaluation: Evaluation;
}

interface Measure {
  readonly title: string;
  readonly note: string;
  readonly format: (value: number) => string;
  /** Returns the value of one evaluation at k; undefined where it has none. */
  readonly value: (evaluation: Evaluation, k: number) => number | undefined;
}

/** Computes (wrong→right − right→wrong) from k−1 to k, per 100 tasks; undefined for the first attempt. */
function netAt(evaluation: Evaluation, k: number): number | undefined {
  const fixedShare = at(evaluation, evaluation.fixed, k);
  const brokenShare = at(evaluation, evaluation.broken, k);
  return k === 0 || fixedShare === undefined || brokenShare === undefined
    ? undefined
    : 100 * (fixedShare - brokenShare);
}

const measures: readonly Measure[] = [
  {
    title: 'Solved',
    note: '% of tasks',
    format: (value) => percent(value, 0),
    value: (evaluation, k) => at(evaluation, evaluation.solved, k),
  },
  {
    title: 'Quality',
    note: '0 to 1',
    format: (value) => fixed(value, 2),
    value: (evaluation, k) => at(evaluation, evaluation.quality, k),
  },
  { title: 'Net corrections', note: 'per 100 tasks, from k−1 to k', format: (value) => signed(value, 1), value: netAt },
];

function computeSpreads(evaluations: readonly Evaluation[], ks: readonly number[], { value }: Measure): Spread[] {
  return ks.map((k) => spread(evaluations.map((evaluation) => value(evaluation, k))));
}

function createLine(label: string, look: number, ks: readonly number[], spreads: readonly Spread[]): PlotLine {
  const points = ks.map((x, index): Point => ({ x, y: spreads[index]?.mean ?? Number.NaN }));
  const band = spreads.map((item, index): BandPoint => {
    return { x: ks[index] ?? 0, low: item.mean - item.halfWidth, high: item.mean + item.halfWidth };
  });
  return { label, look, points, band };
}

function createPlot(measure: Measure, named: readonly NamedEvaluation[], ks: readonly number[]): Plot {
  const lines = orderMethods(named.map(({ method }) => method)).map((method, index) => {
    const evaluations = named.filter((item) => item.method === method).map(({ evaluation }) => evaluation);
    return createLine(method, lookOf(method, index), ks, computeSpreads(evaluations, ks, measure));
  });
  const { title, note, format } = measure;
  return {
    title,
    note,
    format,
    lines,
    xLabel: 'k',
    xTicks: tableIterations(named.map(({ evaluation }) => evaluation)),
    ...(measure.title === 'Quality' ? {} : { show: [0] }),
    width: 340,
    height: 240,
  };
}

/** Renders solved, quality and net corrections against k, a line per method. */
export function iterationSection(named: readonly NamedEvaluation[]): string {
  const ks = [...new Set(named.flatMap(({ evaluation }) => evaluation.k))].sort((one, other) => one - other);
  if (ks.length < 2) return '';
  const entries = orderMethods(named.map(({ method }) => method)).map((label, index) => ({
    label,
    look: lookOf(label, index),
  }));
  const several = entries.length < named.length;
  const bands = several ? ' Bands: 95 % confidence interval of the mean over seeds (Student’s t).' : '';
  return `<section><h2>Self-improvement by iteration</h2>
<p class="lead">k counts self-improvement steps after the first attempt (k = 0).${bands}</p>
${entries.length > 1 ? legend(entries) : ''}<div class="plots">${measures.map((measure) => renderPlot(createPlot(measure, named, ks))).join('\n')}</div></section>`;
}
