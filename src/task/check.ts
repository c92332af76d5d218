/** Checks a task family of the user where it enters, and what its functions return. */

import { callback, flag, type Kind, number, oneOf, positiveNumber, text } from '../arguments.js';
import { ConfigError, type ConfigProblem, TaskError } from '../errors.js';
import type { History, Intent } from '../history.js';
import type { Prompt } from '../message.js';
import { editDistance, nearest } from '../nearest.js';
import { describeValue, thrownMessage } from '../shown.js';
import type { Task, TaskFamily, Verdict } from './task.js';

const requiredFields: Readonly<Record<string, Kind>> = {
  name: { words: 'a text that is not empty', fits: (value) => typeof value === 'string' && value !== '' },
  turns: positiveNumber,
  tasks: callback,
  prompt: callback,
  verify: callback,
};

const optionalFields: Readonly<Record<string, Kind>> = {
  measuredBy: oneOf('verifier', 'rewards'),
  addSpecialTokens: flag,
  repeatable: flag,
  openings: callback,
  close: callback,
  episodeQuality: callback,
};

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function missingProblem(key: string, words: string, family: Fields): ConfigProblem {
  if (key === 'verify' && family.judge !== undefined)
    return { key: 'family.judge', message: '`judge` is now `verify`' };
  const own = Object.keys(family).filter((name) => !(name in requiredFields) && !(name in optionalFields));
  const meant = nearest(key, own);
  const problem = { key: `family.${key}`, message: `is missing; it must be ${words}` };
  return meant === undefined ? problem : { ...problem, hint: `rename \`${meant}\`` };
}

function findProblems(family: Fields): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const [key, { words, fits }] of Object.entries({ ...requiredFields, ...optionalFields })) {
    const value = family[key];
    if (value === undefined) {
      if (key in requiredFields) problems.push(missingProblem(key, words, family));
    } else if (!fits(value)) {
      problems.push({ key: `family.${key}`, message: `must be ${words}, not ${describeValue(value)}` });
    }
  }
  return problems;
}

/** Returns `value` as a task family; `file` is its module. @throws ConfigError with every missing or wrong field. */
export function requireFamily(value: unknown, file?: string): TaskFamily {
  if (!isObject(value) || Array.isArray(value)) {
    const message = `must be a task family, not ${describeValue(value)}`;
    const subject = file === undefined ? 'an object' : 'a default export';
    const hint = `${subject} with name, turns, tasks, prompt and verify`;
    throw new ConfigError([{ key: 'family', message, hint }], file);
  }
  const problems = findProblems(value);
  if (problems.length > 0) throw new ConfigError(problems, file);
  return value as unknown as TaskFamily;
}

type Tasks = Pick<TaskFamily, 'name' | 'tasks'>;

/** Returns the tasks of a split. @throws TaskError when the family returns no list, or a task without an id. */
export function listTasks(family: Tasks, split: string): readonly Task[] {
  return requireTasks(family, split, family.tasks(split));
}

function requireTasks({ name }: Tasks, split: string, tasks: unknown): readonly Task[] {
  if (!Array.isArray(tasks)) {
    const message = `${name}: tasks('${split}') must return a list, not ${describeValue(tasks)}`;
    throw new TaskError(tasks instanceof Promise ? `${message}; load the tasks first` : message, { split });
  }
  for (const [at, task] of (tasks as readonly unknown[]).entries()) {
    if (isObject(task) && typeof task.id === 'string' && task.id !== '') continue;
    const found = isObject(task) ? `has the id ${describeValue(task.id)}` : `is ${describeValue(task)}`;
    const rule = 'a task is an object with an id, a text that is not empty';
    throw new TaskError(`${name}: task ${at} of the split '${split}' ${found}; ${rule}`, { split, at });
  }
  return tasks;
}

/** Checks splits before a run begins. A family may refuse a split; a run that uses it then reports the error. */
export function checkSplits(family: TaskFamily, splits: readonly string[]): void {
  for (const split of new Set(splits)) {
    let tasks: unknown;
    try {
      tasks = family.tasks(split);
    } catch {
      continue;
    }
    if (tasks instanceof Promise) tasks.catch(() => undefined);
    requireTasks(family, split, tasks);
  }
}

const verdictFields: Readonly<Record<string, Kind>> = {
  quality: number,
  wellFormed: flag,
  feedback: text,
  done: flag,
};

/** Finds the absent field that an unknown key misspells. A verdict may have other keys, so `nearest` would refuse too many. */
function misspelt(key: string, verdict: Fields): string | undefined {
  const absent = Object.keys(verdictFields).filter((field) => verdict[field] === undefined);
  const distance = (field: string): number => editDistance(key.toLowerCase(), field.toLowerCase());
  return absent.find((field) => distance(field) <= (field.length > 5 ? 2 : 1));
}

function describeFault(verdict: Fields): string | undefined {
  for (const key of Object.keys(verdict)) {
    const meant = Object.hasOwn(verdictFields, key) ? undefined : misspelt(key, verdict);
    if (meant !== undefined) return `the verdict has an unknown field \`${key}\`; did you mean \`${meant}\`?`;
  }
  for (const [key, { words, fits }] of Object.entries(verdictFields)) {
    const value = verdict[key];
    const isMissing = value === undefined && (key === 'feedback' || key === 'done');
    if (!isMissing && !fits(value)) return `the verdict's ${key} must be ${words}, not ${describeValue(value)}`;
  }
  return undefined;
}

/** Names what `verify` returned in place of a verdict, and how to return one. */
function noVerdict(returned: unknown): string {
  const [quality, wellFormed] = typeof returned === 'number' ? [returned, 'true'] : ['…', '…'];
  return `verify returned ${describeValue(returned)}, not a verdict: return { quality: ${quality}, wellFormed: ${wellFormed} }`;
}

/** Returns the verdict. @throws TaskError when a field is wrong or misspelt, or the quality is outside [0, 1]. */
export function requireVerdict(family: Pick<TaskFamily, 'name'>, task: Task, verdict: unknown): Verdict {
  const fault = isObject(verdict) ? describeFault(verdict) : noVerdict(verdict);
  const taskId = task.id;
  if (fault !== undefined) throw new TaskError(`${family.name}: ${fault} (task ${taskId})`, { taskId });
  const checked = verdict as Verdict;
  requireShare(checked.quality, `${family.name}: the verdict's quality`, taskId);
  return checked;
}

type Prompting = Pick<TaskFamily, 'prompt'> & { readonly name?: string };

/** Builds a prompt. @throws TaskError that names family and task when the family's function throws. */
export function callPrompt(family: Prompting, task: Task, history: History, intent: Intent): Prompt {
  try {
    return family.prompt(task, history, intent);
  } catch (error) {
    const message = `${family.name ?? 'the family'}: prompt failed for task ${task.id}: ${thrownMessage(error)}`;
    throw new TaskError(message, { taskId: task.id }, { cause: error });
  }
}

/** Returns a share. @throws TaskError when it is no number in [0, 1]. */
export function requireShare(value: number, what: string, taskId: string): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  const found = describeValue(value);
  throw new TaskError(`${what} is ${found} for task ${taskId}; it must lie in [0, 1]`, { taskId, value });
}
