/** Formats one evaluation for the terminal: a line per iteration, and what its numbers are worth. */
import type { Evaluation, StandardError } from '../evaluation/evaluation.js';
import { failureText, tasksNeededText, unreadableText } from './evaluation-notes.js';
import { clock, count, fixed, percent, signed } from './format.js';
import { type Cell, formatGrid } from './grid.js';
import { at } from './summary.js';
import type { TableOptions } from './table.js';
import { plainLine } from './text.js';

/** Formats ` ± 1.2`; empty where the standard error is unknown. */
function plusMinus(error: number | undefined, show: (value: number) => string): string {
  return error === undefined ? '' : ` ± ${show(error)}`;
}

const tenths = (share: number): string => percent(share);
const thousandths = (value: number): string => fixed(value, 3);

/** Reads the standard error at k from a list. */
const errorAt = (evaluation: Evaluation, list: readonly number[] | undefined, k: number): number | undefined =>
  list && at(evaluation, list, k);

function iterationRow(evaluation: Evaluation, k: number): Cell[] {
  const { quality, solved, fixed: fixedShares, broken, unreadable = [], standardErrors } = evaluation;
  const errors = (measure: 'quality' | 'solved') => (over: keyof StandardError<unknown>) =>
    errorAt(evaluation, standardErrors?.[measure][over], k);
  const overChains = errors('solved')('chains');
  const moves = k === 0 ? ['', ''] : [percent(at(evaluation, fixedShares, k)), percent(at(evaluation, broken, k))];
  return [
    String(k),
    thousandths(at(evaluation, quality, k) ?? Number.NaN) + plusMinus(errors('quality')('tasks'), thousandths),
    percent(at(evaluation, solved, k)) + plusMinus(errors('solved')('tasks'), tenths),
    overChains === undefined ? '' : `± ${tenths(overChains)}`,
    ...moves,
    percent(at(evaluation, unreadable, k)),
  ];
}

function gainText({ deltaSolved, deltaQuality, standardErrors }: Evaluation): string {
  const points = plusMinus(standardErrors?.deltaSolved.tasks, tenths);
  const quality = plusMinus(standardErrors?.deltaQuality.tasks, thousandths);
  return `ΔK ${signed(100 * deltaSolved, 1)}${points} points solved, ${signed(deltaQuality, 3)}${quality} quality`;
}

/** The lines below the table: the gain, then what is needed to read the numbers. */
function footLines(evaluation: Evaluation): string[] {
  const { k, tasks, draws, seconds, standardErrors } = evaluation;
  const time = seconds >= 60 ? clock(seconds) : `${fixed(seconds, 1)} s`;
  return [
    gainText(evaluation),
    ...(k.length > (k.at(-1) ?? 0) ? [] : ['fixed and broken at k count the step from k − 1; their sums all steps']),
    unreadableText(evaluation),
    ...(standardErrors === undefined ? [] : ['± is one standard error over tasks, each with all its draws']),
    ...tasksNeededText(evaluation),
    ...failureText(evaluation),
    `${count(tasks, 'task')} × ${count(draws, 'draw')} in ${time}`,
  ].map(plainLine);
}

/**
 * Formats one evaluation, a line per iteration: quality and solved % with their standard errors over tasks, the standard
 * error of solved over chains, the answers fixed and broken per 100 chains with their sums, and the unreadable answers in %.
 */
export function iterationTable(evaluation: Evaluation, { colours }: Pick<TableOptions, 'colours'>): string {
  const { k, fixedTotal, brokenTotal, unreadableRewrites } = evaluation;
  const heads = ['k', 'quality', 'solved %', 'over chains', 'fixed', 'broken', 'unreadable %'];
  const rows = k.map((one) => iterationRow(evaluation, one));
  const sums: Cell[] = ['sum', '', '', '', percent(fixedTotal), percent(brokenTotal)];
  const mean: Cell[] = ['mean', '', '', '', '', '', percent(unreadableRewrites)];
  const totals = k.length === 1 ? [] : unreadableRewrites === undefined ? [sums] : [sums, mean];
  const columns = heads.map((head) => ({ head }));
  const [gain = '', ...notes] = footLines(evaluation);
  return `${[...formatGrid(columns, [...rows, ...totals], colours), '', gain, ...notes.map(colours.dim)].join('\n')}\n`;
}
