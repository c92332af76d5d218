/** Finds a task family by name, or in a module of the user's. */
import { resolve } from 'node:path';
import type { RunConfig } from '../config.js';
import { ConfigError } from '../errors.js';
import { nearest } from '../nearest.js';
import type { TaskFamily } from '../task/task.js';

/** What a family may depend on beside its code. */
export interface FamilyOptions {
  /** Seed of the split `fresh`. */
  readonly freshSeed: number;
  /** Of the task `prompts`: the data file, and what measures its answers. */
  readonly data?: RunConfig['data'];
  readonly verifier?: RunConfig['verifier'];
}

type FamilyLoader = (options: FamilyOptions) => Promise<TaskFamily>;

const families: Readonly<Record<string, FamilyLoader>> = {
  'code-breaker': async (options) =>
    (await import('../task/code-breaker/family.js')).codeBreaker(options) as TaskFamily,
  prompts: async (options) => (await import('./prompts.js')).loadPrompts(options),
};

const isModulePath = (name: string): boolean => /\.[cm]?[jt]s$/.test(name);

/** A module's path made independent of the working directory; a name stays as it is. */
export function resolveTask(task: string): string {
  return isModulePath(task) ? resolve(task) : task;
}

function taskProblem(message: string, hint?: string): ConfigError {
  return new ConfigError([hint === undefined ? { key: 'task', message } : { key: 'task', message, hint }]);
}

function requireFamily(value: unknown, file: string): TaskFamily {
  const family = value as Partial<TaskFamily> | null | undefined;
  const missing = (['tasks', 'prompt', 'judge'] as const).filter((verb) => typeof family?.[verb] !== 'function');
  if (typeof family?.name !== 'string' || typeof family.turns !== 'number' || missing.length > 0) {
    throw taskProblem(
      `${file} exports no task family`,
      'its default export needs name, turns, tasks, prompt and judge',
    );
  }
  return family as TaskFamily;
}

/** The default export of a module: a family, or a function of FamilyOptions that makes one. */
async function importFamily(file: string, options: FamilyOptions): Promise<TaskFamily> {
  const { createJiti } = await import('jiti');
  const exported: unknown = await createJiti(import.meta.url)
    .import(resolve(file), { default: true })
    .catch((error: Error) => {
      throw taskProblem(`${file} cannot be loaded: ${error.message.split('\n')[0]}`);
    });
  return requireFamily(typeof exported === 'function' ? await exported(options) : exported, file);
}

/** @throws ConfigError when there is no such family. */
export async function findFamily(task: string, options: FamilyOptions = { freshSeed: 0 }): Promise<TaskFamily> {
  if (isModulePath(task)) return importFamily(task, options);
  const load = Object.hasOwn(families, task) ? families[task] : undefined;
  if (load !== undefined) return load(options);
  const names = Object.keys(families);
  const suggestion = nearest(task, names);
  const hint = suggestion === undefined ? 'or the path of a module' : `did you mean \`${suggestion}\`?`;
  throw taskProblem(`no task \`${task}\`; there is: ${names.join(', ')}`, hint);
}
