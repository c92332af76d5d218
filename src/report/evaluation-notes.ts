/** Says in words what the numbers of an evaluation include, and how far they reach. */
import type { Evaluation, UnreadableRule } from '../evaluation/evaluation.js';
import { count, percent, whole } from './format.js';

/** Says what an unreadable answer counts as. */
export function ruleText(rule: UnreadableRule | undefined): string {
  if (rule === undefined) return 'unreadable answers were not counted: the answer before each stands';
  return `an unreadable answer (malformed or cut off) counts as ${rule === 'count' ? 'quality 0' : 'the last readable one'}`;
}

/** Says how many rewrites are unreadable, and what each counts as. */
export function unreadableText({ unreadableRule, unreadableRewrites }: Evaluation): string {
  const share = unreadableRewrites === undefined ? '' : `; ${percent(unreadableRewrites)} % of the rewrites are`;
  return `${ruleText(unreadableRule)}${share}`;
}

/** Says how many tasks a difference of 5 points needs; nothing where the evaluation cannot tell. */
export function tasksNeededText({ tasksNeeded = {} }: Evaluation): string[] {
  const { models, gain } = tasksNeeded;
  const parts = [
    ...(models === undefined ? [] : [`${count(models, 'task')} between two models (unpaired)`]),
    ...(gain === undefined ? [] : [`${whole(gain)} for ΔK (paired)`]),
  ];
  if (parts.length === 0) return [];
  return [`a difference of 5 points needs ${parts.join(', ')}: power 80 %, 5 % two-sided`];
}

/** Says how many chains are left out; nothing when none is. */
export function failureText({ failures, unreadableRule, tasks, draws }: Evaluation): string[] {
  if (failures === undefined) return [];
  const reason = `could not be generated or verified (first: ${failures.first})`;
  // Version 0.1 counted answers.
  if (unreadableRule === undefined)
    return [`${count(failures.count, 'answer')} ${reason}: the answer before each stands`];
  return [`${whole(failures.count)} of ${count(tasks * draws, 'chain')} left out: an answer ${reason}`];
}
