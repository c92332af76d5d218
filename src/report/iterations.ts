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

/** Reads a share of the rewrites at k; undefined for the first attempt, and where it was not counted. */
const rewriteShare =
  (list: (evaluation: Evaluation) => readonly number[] | undefined) =>
  (evaluation: Evaluation, k: number): number | undefined => {
    const values = list(evaluation);
    return k === 0 || values === undefined ? undefined : at(evaluation, values, k);
  };

const fixedAt = rewriteShare(({ fixed: shares }) => shares);
const brokenAt = rewriteShare(({ broken }) => broken);

/** Computes (wrong→right − right→wrong) from k−1 to k, per 100 chains; undefined for the first attempt. */
function netAt(evaluation: Evaluation, k: number): number | undefined {
  const fixedShare = fixedAt(evaluation, k);
  const brokenShare = brokenAt(evaluation, k);
  return fixedShare === undefined || brokenShare === undefined ? undefined : 100 * (fixedShare - brokenShare);
}

const tenths = (share: number): string => percent(share);
const perStep = 'per 100 chains, from k−1 to k';

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
  { title: 'Net corrections', note: perStep, format: (value) => signed(value, 1), value: netAt },
  { title: 'Fixed', note: `wrong → right, ${perStep}`, format: tenths, value: fixedAt },
  { title: 'Broken', note: `right → wrong, ${perStep}`, format: tenths, value: brokenAt },
  {
    title: 'Unreadable',
    note: '% of the answers at k',
    format: tenths,
    value: ({ unreadable = [], ...evaluation }, k) => unreadable[evaluation.k.indexOf(k)],
  },
];

/** A measure that no evaluation has, or that is 0 everywhere, is not drawn. */
const isDrawn = ({ value }: Measure, named: readonly NamedEvaluation[]): boolean =>
  named.some(({ evaluation }) => evaluation.k.some((k) => (value(evaluation, k) ?? 0) !== 0));

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

/** Renders solved, quality and the corrections of each step against k, a line per method. */
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
${entries.length > 1 ? legend(entries) : ''}<div class="plots">${measures
    .filter((measure) => isDrawn(measure, named))
    .map((measure) => renderPlot(createPlot(measure, named, ks)))
    .join('\n')}</div></section>`;
}
