/** Renders the comparison table of the page, and the sentence that summarises its result. */

import { type ComparisonRow, differences, solvedAt } from '../evaluation/compare.js';
import { count, fixed, signed } from './format.js';
import { lookOf, orderMethods } from './method-order.js';
import { marker } from './plot.js';
import type { Comparison } from './records.js';
import type { Spread } from './statistics.js';
import { findBest, type MethodSummary, summariseMethods, tableIterations } from './summary.js';
import { escapeHtml } from './text.js';
import { wideTable } from './wide-table.js';

interface Column {
  readonly head: string;
  readonly spreads: readonly Spread[];
  readonly show: (value: number) => string;
  readonly best: readonly number[];
}

const tenths = (value: number): string => fixed(value, 1);
const signedTenths = (value: number): string => signed(value, 1);

type Pick = (summary: MethodSummary) => Spread | undefined;

function buildColumns(summaries: readonly MethodSummary[], ks: readonly number[]): Column[] {
  const plain = (head: string, pick: Pick, show = tenths): Column => {
    return { head, spreads: summaries.map((summary) => pick(summary) as Spread), show, best: [] };
  };
  const ranked = (head: string, pick: Pick, show = tenths): Column => {
    const column = plain(head, pick, show);
    return { ...column, best: findBest(column.spreads, show) };
  };
  return [
    ...ks.map((k, index) => ranked(`k = ${k}`, ({ solved }) => solved[index])),
    ranked('ΔK', ({ delta }) => delta, signedTenths),
    plain('fixed', ({ fixed: spread }) => spread),
    plain('broken', ({ broken }) => broken),
    plain('unreadable', ({ unreadable }) => unreadable),
    plain(
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

/**
 * Renders methods by iterations: solved %, gain, answers fixed and broken, unreadable rewrites, training seconds;
 * mean and sample deviation over seeds.
 */
export function comparisonSection({ rows }: Comparison): string {
  const ks = tableIterations(rows.map(({ evaluation }) => evaluation));
  const summaries = summariseMethods(rows, ks);
  const columns = buildColumns(summaries, ks);
  const body = summaries.map((summary, row) => renderRow(summary, row, columns)).join('\n');
  const several = summaries.some((summary) => summary.count > 1);
  const note = `Solved, in % of tasks, after k iterations. ΔK: gain from k = 0 to the last, in points. Fixed and broken: answers that went wrong→right and right→wrong, summed over all iterations, per 100 chains; their difference is ΔK. Unreadable: rewrites that could not be read or were cut off, in %. Seconds: training of one run.${several ? ' ± is the sample standard deviation over seeds.' : ''} Bold: best mean of a column.`;
  const table = wideTable('Comparison of methods', ['method', ...columns.map(({ head }) => head)], body, note);
  return `<section><h2>Comparison</h2>${table}</section>`;
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
