/** Renders the comparison table of the page, and the sentence that summarises its result. */

import { type ComparisonRow, differences, solvedAt } from '../evaluation/compare.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import { absent, count, fixed, percent, signed } from './format.js';
import { lookOf, orderMethods } from './method-order.js';
import { marker } from './plot.js';
import type { Comparison } from './records.js';
import type { Spread } from './statistics.js';
import { at, findBest, type MethodSummary, summariseMethods, tableIterations } from './summary.js';
import { escapeHtml } from './text.js';

interface Column {
  readonly head: string;
  readonly spreads: readonly Spread[];
  readonly show: (value: number) => string;
  readonly best: readonly number[];
}

function buildColumns(summaries: readonly MethodSummary[], ks: readonly number[]): Column[] {
  const column = (head: string, pick: (summary: MethodSummary) => Spread | undefined, show: Column['show']): Column => {
    const spreads = summaries.map((summary) => pick(summary) as Spread);
    return { head, spreads, show, best: head === 'seconds' ? [] : findBest(spreads, show) };
  };
  return [
    ...ks.map((k, index) =>
      column(
        `k = ${k}`,
        ({ solved }) => solved[index],
        (value) => fixed(value, 1),
      ),
    ),
    column(
      'ΔK',
      ({ delta }) => delta,
      (value) => signed(value, 1),
    ),
    column(
      'net corrections',
      ({ net }) => net,
      (value) => signed(value, 1),
    ),
    column(
      'seconds',
      ({ seconds }) => seconds,
      (value) => fixed(value, 0),
    ),
  ];
}

function cell({ spreads, show, best }: Column, row: number): string {
  const { mean, deviation } = spreads[row] as Spread;
  const spreadText = Number.isFinite(deviation) ? `<small>±${show(deviation).replace('+', '')}</small>` : '';
  const value = show(mean);
  return `<td>${best.includes(row) ? `<strong>${value}</strong>` : value}${spreadText}</td>`;
}

function renderRow({ method }: MethodSummary, row: number, columns: readonly Column[]): string {
  const mark = `<svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">${marker(lookOf(method, row), 6, 6)}</svg>`;
  return `<tr><th scope="row">${mark}${escapeHtml(method)}</th>${columns.map((column) => cell(column, row)).join('')}</tr>`;
}

/** Renders a table that scrolls sideways on a small screen, with an explanation below that does not scroll. */
function wideTable(name: string, heads: readonly string[], body: string, note: string): string {
  const columns = heads.map((head) => `<th scope="col">${escapeHtml(head)}</th>`).join('');
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table class="comparison"><caption class="unseen">${name}</caption>
<thead><tr>${columns}</tr></thead><tbody>${body}</tbody></table></div><p class="caption">${note}</p>`;
}

/** Renders methods by iterations: solved %, gain, net corrections, training seconds; mean and sample deviation over seeds. */
export function comparisonSection({ rows }: Comparison): string {
  const ks = tableIterations(rows.map(({ evaluation }) => evaluation));
  const summaries = summariseMethods(rows, ks);
  const columns = buildColumns(summaries, ks);
  const body = summaries.map((summary, row) => renderRow(summary, row, columns)).join('\n');
  const several = summaries.some((summary) => summary.count > 1);
  const note = `Solved, in % of tasks, after k iterations. ΔK: gain from k = 0 to the last, in points. Net corrections: wrong→right minus right→wrong, per 100 tasks. Seconds: training of one run.${several ? ' ± is the sample standard deviation over seeds.' : ''} Bold: best mean of a column.`;
  const table = wideTable('Comparison of methods', ['method', ...columns.map(({ head }) => head)], body, note);
  return `<section><h2>Comparison</h2>${table}</section>`;
}

/** Renders the table of one evaluation: solved %, quality, and the answers fixed and broken at each k. */
export function evaluationSection(evaluation: Evaluation): string {
  const ks = tableIterations([evaluation]);
  const line = (head: string, show: (k: number) => string) =>
    `<tr><th scope="row">${head}</th>${ks.map((k) => `<td>${show(k)}</td>`).join('')}</tr>`;
  const rows = [
    line('solved %', (k) => percent(at(evaluation, evaluation.solved, k))),
    line('quality', (k) => fixed(at(evaluation, evaluation.quality, k), 3)),
    line('fixed, per 100', (k) => (k === 0 ? absent : percent(at(evaluation, evaluation.fixed, k)))),
    line('broken, per 100', (k) => (k === 0 ? absent : percent(at(evaluation, evaluation.broken, k)))),
  ];
  const note = `${count(evaluation.tasks, 'task')}, ${count(evaluation.draws, 'draw')} each. Fixed and broken: answers that iteration k made right or wrong.`;
  const table = wideTable(
    'Evaluation by iteration',
    ['after k iterations', ...ks.map((k) => `k = ${k}`)],
    rows.join('\n'),
    note,
  );
  return `<section><h2>Evaluation</h2>${table}</section>`;
}

function meanText({ mean, deviation }: Spread): string {
  return `${fixed(mean, 1)}\u00a0%${Number.isFinite(deviation) ? `\u00a0±\u00a0${fixed(deviation, 1)}` : ''}`;
}

/** Finds the subject of the sentence: full ExIt where it was run, else the last ablation. */
const findLead = (summaries: readonly MethodSummary[]) => summaries.findLast(({ method }) => method !== 'base');

function gainText(rows: readonly ComparisonRow[], lead: string, k: number): string {
  const { perSeed, summary } = differences(rows, lead, 'grpo', solvedAt(k));
  if (lead === 'grpo' || perSeed.length === 0) return '';
  const points = perSeed.map(({ difference }) => signed(100 * difference, 1)).join(', ');
  const each = perSeed.length > 1 ? ` (seed by seed ${points})` : ' on the one seed they share';
  return ` ${lead}\u00a0−\u00a0grpo: ${signed(100 * summary.mean, 1)} points${each}.`;
}

/** Names the leading method and the methods it is compared with: `exit against grpo and base`. */
export function comparisonTitle({ task, rows }: Comparison): string {
  const methods = orderMethods(rows.map(({ method }) => method));
  const lead = methods.findLast((method) => method !== 'base');
  const rivals = ['grpo', 'base'].filter((method) => methods.includes(method) && method !== lead);
  if (lead === undefined || rivals.length === 0) return `${task}: ${lead ?? 'base'}`;
  return `${task}: ${lead} against ${rivals.join(' and ')}`;
}

/** Summarises the result: the share that base, grpo and the leading method solve at the last k, and the gain per seed. */
export function resultSentence({ rows }: Comparison): string {
  const ks = tableIterations(rows.map(({ evaluation }) => evaluation));
  const summaries = summariseMethods(rows, ks);
  const lead = findLead(summaries);
  if (lead === undefined) return 'Only the base was evaluated.';
  const named = [
    lead,
    ...summaries.filter(({ method }) => ['grpo', 'base'].includes(method) && method !== lead.method).reverse(),
  ];
  const shares = named.map(({ method, solved }) => `${method} ${meanText(solved.at(-1) as Spread)}`).join(', ');
  const k = ks.at(-1) ?? 0;
  return `Solved after ${count(k, 'iteration')}: ${shares}.${gainText(rows, lead.method, k)}`;
}
