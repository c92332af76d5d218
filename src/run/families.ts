/** Loads task families: by name, from the user's module, from an npm package, or from data with a verifier. */
import { resolve } from 'node:path';
import type { RunConfig } from '../config/parse.js';
import { type DataSet, loadData } from '../data/load-data.js';
import { promptsFamily, type Verifier } from '../data/prompts-family.js';
import { ConfigError } from '../errors.js';
import { nearest } from '../nearest.js';
import { IsolatedFunction } from '../reward/isolated.js';
import { moduleFunction } from '../reward/module.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { findPackage, isModulePath } from './task-module.js';

/** Inputs of a family besides its code. */
export interface FamilyOptions {
  /** Seed of the split `fresh`. */
  readonly freshSeed: number;
  /** Data of the task `prompts`. */
  readonly data?: RunConfig['data'];
  /** Verifier of the task `prompts`. */
  readonly verifier?: RunConfig['verifier'];
}

type FamilyLoader = (options: FamilyOptions) => Promise<TaskFamily>;

const families: Readonly<Record<string, FamilyLoader>> = {
  'code-breaker': async ({ freshSeed }) =>
    (await import('../task/code-breaker/family.js')).codeBreaker({ freshSeed }) as TaskFamily,
  prompts: async (options) => loadPrompts(options),
};

/** Makes a module's path absolute; returns a name unchanged. */
export function resolveTask(task: string): string {
  return isModulePath(task) ? resolve(task) : task;
}

function taskProblem(message: string, hint?: string): ConfigError {
  return new ConfigError([hint === undefined ? { key: 'task', message } : { key: 'task', message, hint }]);
}

/** Imports the default export of a module: a family, or a function of FamilyOptions that creates one. */
async function importFamily(file: string, options: FamilyOptions): Promise<TaskFamily> {
  const { createJiti } = await import('jiti');
  const exported: unknown = await createJiti(import.meta.url)
    .import(resolve(file), { default: true })
    .catch((error: Error) => {
      throw taskProblem(`${file} cannot be loaded: ${error.message.split('\n')[0]}`);
    });
  return requireFamily(typeof exported === 'function' ? await exported(options) : exported, file);
}

/**
 * Finds a task family: by its name, or as the default export of the module with this path or of the npm package.
 * `options.freshSeed` (any number) seeds the split `fresh`; `data` and `verifier` serve the task `prompts`, with time
 * limits in seconds. The caller closes the family where it has a `close`.
 * @throws ConfigError when no family has this name or the module exports none, DataError for an unreadable data file.
 * @example
 * import { findFamily } from 'exit-rl/run';
 *
 * const family = await findFamily('code-breaker');
 * console.log(family.name, family.turns);
 */
export async function findFamily(task: string, options: FamilyOptions = { freshSeed: 0 }): Promise<TaskFamily> {
  if (isModulePath(task)) return importFamily(task, options);
  const load = Object.hasOwn(families, task) ? families[task] : undefined;
  if (load !== undefined) return load(options);
  const installed = await findPackage(task);
  if (installed !== undefined) return importFamily(installed, options);
  const names = Object.keys(families);
  const suggestion = nearest(task, names);
  const other = 'or name the path of a module or an installed package; a script passes its own family as `family`';
  const hint = suggestion === undefined ? other : `did you mean \`${suggestion}\`? ${other}`;
  throw taskProblem(`there is no task \`${task}\`; choose one of ${names.join(', ')}`, hint);
}

type DataConfig = NonNullable<RunConfig['data']>;
type VerifierConfig = NonNullable<RunConfig['verifier']>;

interface LoadedVerifier {
  readonly verifier: Verifier;
  /** Ends the verifier's thread, which would keep the process alive. */
  close?(): Promise<void>;
}

async function loadVerifier({ file, export: name, timeoutSeconds, isolated }: VerifierConfig): Promise<LoadedVerifier> {
  const source = { file: resolve(file), ...(name !== undefined && { name }) };
  try {
    if (!isolated) return { verifier: (await moduleFunction(source)) as Verifier };
    const thread = new IsolatedFunction({ ...source, timeoutSeconds });
    await thread.start();
    return { verifier: (answer) => thread.call(answer) as ReturnType<Verifier>, close: () => thread.close() };
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ConfigError([{ key: 'verifier.file', message: `${file}: ${message}` }]);
  }
}

/** Loads the family of a data file. @throws DataError when the files cannot be read as rows, ConfigError when the verifier cannot be loaded. */
export async function loadPrompts({
  data,
  verifier,
}: {
  readonly data?: DataConfig | undefined;
  readonly verifier?: VerifierConfig | undefined;
}): Promise<TaskFamily> {
  if (data === undefined) throw new ConfigError([{ key: 'data', message: 'the task `prompts` needs data.train' }]);
  const set: DataSet = await loadData(data);
  const { previousAnswer, templates, addSpecialTokens } = data;
  const options = { data: set, previousAnswer, templates, addSpecialTokens };
  if (verifier === undefined) return promptsFamily(options) as TaskFamily;
  const { repeatable } = verifier;
  const { verifier: verify, close } = await loadVerifier(verifier);
  return { ...(promptsFamily({ ...options, verifier: verify, repeatable }) as TaskFamily), ...(close && { close }) };
}
