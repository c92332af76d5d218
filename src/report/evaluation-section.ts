/** Renders the table of one evaluation for the page. */
import type { Evaluation } from '../evaluation/evaluation.js';
import { failureText, tasksNeededText, unreadableText } from './evaluation-notes.js';
import { count, fixed, percent } from './format.js';
import { at, tableIterations } from './summary.js';
import { escapeHtml, sentence } from './text.js';
import { wideTable } from './wide-table.js';

const tenths = (share: number): string => percent(share);
const thousandths = (value: number): string => fixed(value, 3);

/** A row of the table: one value per k, and one over all of them. */
interface Line {
  readonly head: string;
  readonly values: readonly number[] | undefined;
  readonly show: (value: number) => string;
  /** Counts rewrites: k = 0 has none. */
  readonly isRewrite?: boolean;
  /** The sum or the mean over k = 1 … K. */
  readonly total?: number | undefined;
}

function listLines({ quality, solved, fixed: fixedShares, broken, unreadable, ...rest }: Evaluation): Line[] {
  const { standardErrors: errors, fixedTotal, brokenTotal, unreadableRewrites } = rest;
  const rewrites = { show: tenths, isRewrite: true };
  return [
    { head: 'solved %', values: solved, show: tenths },
    { head: '± over tasks', values: errors?.solved.tasks, show: tenths },
    { head: '± over chains', values: errors?.solved.chains, show: tenths },
    { head: 'quality', values: quality, show: thousandths },
    { head: '± over tasks', values: errors?.quality.tasks, show: thousandths },
    { head: '± over chains', values: errors?.quality.chains, show: thousandths },
    { head: 'fixed, per 100', values: fixedShares, total: fixedTotal, ...rewrites },
    { head: 'broken, per 100', values: broken, total: brokenTotal, ...rewrites },
    { head: 'unreadable %', values: unreadable, show: tenths, total: unreadableRewrites },
  ];
}

function renderLine(evaluation: Evaluation, ks: readonly number[], line: Line): string {
  const { head, values, show, isRewrite = false, total } = line;
  if (values === undefined) return '';
  const cells = ks.map((k) => (k === 0 && isRewrite ? '' : show(at(evaluation, values, k) ?? Number.NaN)));
  const all = [...cells, total === undefined ? '' : show(total)].map((text) => `<td>${text}</td>`);
  return `<tr><th scope="row">${head}</th>${all.join('')}</tr>`;
}

function caption(evaluation: Evaluation): string {
  const { tasks, draws } = evaluation;
  const notes = [unreadableText(evaluation), ...tasksNeededText(evaluation), ...failureText(evaluation)];
  return [
    `${count(tasks, 'task')}, ${count(draws, 'draw')} each.`,
    '±: one standard error of the line above it, over tasks with all their draws, or with every chain for a task of its own.',
    'Fixed and broken: answers that iteration k made right or wrong. k ≥ 1: their sums, and the mean of unreadable.',
    ...notes.map(sentence),
  ].join(' ');
}

/** Renders solved %, quality, their standard errors, the answers fixed, broken and unreadable at each k, and their totals. */
export function evaluationSection(evaluation: Evaluation): string {
  const ks = tableIterations([evaluation]);
  const heads = ['after k iterations', ...ks.map((k) => `k = ${k}`), 'k ≥ 1'];
  const body = listLines(evaluation).map((line) => renderLine(evaluation, ks, line));
  return `<section><h2>Evaluation</h2>${wideTable('Evaluation by iteration', heads, body.join('\n'), escapeHtml(caption(evaluation)))}</section>`;
}
