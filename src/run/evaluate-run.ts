/** Evaluates a run or a model folder over K steps in one call. */
import { lstat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  abortSignal,
  anyRecord,
  callback,
  count,
  type Fields,
  listOf,
  oneOf,
  positiveNumber,
  record,
  required,
  requireFields,
  requireParts,
  text,
  wholeNumber,
} from '../arguments.js';
import type { ConfigInput } from '../config/define.js';
import { parseConfig, type RunConfig } from '../config/parse.js';
import { unreadableRules } from '../config/schema.js';
import { onDisk, realDisk, replaceDurably } from '../disk/disk.js';
import { findModel } from '../disk/model-source.js';
import { ConfigError } from '../errors.js';
import type { Evaluation, UnreadableRule } from '../evaluation/evaluation.js';
import { type EvaluationOptions, type EvaluationProgress, evaluateIterations } from '../evaluation/iterate.js';
import { measuredFamily } from '../evaluation/measured.js';
import { completeConfig, generatorPart } from '../method/part-kinds.js';
import { samplingFields } from '../policy/generation.js';
import type { Policy, Sampling } from '../policy/policy.js';
import { recipes } from '../recipes/index.js';
import type { NamedReward } from '../reward/named.js';
import { namedRewards } from '../reward/reward-kinds.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { givenChat, loadPolicy, openParts, type PolicyChoice } from './assemble.js';
import { readRunConfig } from './run-config.js';

/** The content of evaluation.json. */
export interface EvaluationReport extends Evaluation {
  readonly model: string;
  readonly task: string;
  readonly split: string;
  readonly seed: number;
}

/** Settings of one evaluation; each overrides the config's. */
export interface EvaluationSettings {
  /** K: improve steps after the attempt. */
  readonly iterations?: number;
  /** The k to report; 0 and K are always reported. By default every k; without `iterations` K is the largest of them. */
  readonly at?: readonly number[];
  /** The worth of an answer that cannot be read or is cut off: quality 0 (`count`), or that of the one before (`keep`). */
  readonly unreadable?: UnreadableRule;
  /** Chains per task. */
  readonly draws?: number;
  readonly split?: string;
  /** Determines every random number. */
  readonly seed?: number;
  /** Number of tasks to evaluate, from the first of the split; 0, the default, evaluates all. */
  readonly limit?: number;
  readonly sampling?: Partial<Sampling>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EvaluationProgress) => void;
}

/** The model to evaluate, its tasks, and the settings that override the config's. */
export interface EvaluateRunOptions extends EvaluationSettings {
  /** Names a model: a run folder or one of its checkpoints, with the config of the run, or any other model. */
  readonly model: string;
  /** Task, data, verifier and sampling for a model of no run; by default the recipe with the task's name. */
  readonly config?: ConfigInput;
  /** A task's name or module; overrides the config's. */
  readonly task?: string;
  /** Overrides the family that the task names. */
  readonly family?: TaskFamily;
  /** File for the result; by default evaluation.json in a run folder. */
  readonly out?: string;
  /** PEFT folder of an adapter for the model. */
  readonly adapter?: string;
  /** `auto`, `cpu`, `cuda` or `cuda:N`; default `auto`. */
  readonly device?: string;
  readonly dtype?: RunConfig['dtype'];
  /** CPU threads; 0, the default, takes all cores. */
  readonly threads?: number;
}

const settingFields: Fields<EvaluationSettings> = {
  iterations: wholeNumber,
  at: listOf(wholeNumber),
  unreadable: oneOf(...unreadableRules),
  draws: positiveNumber,
  split: text,
  seed: wholeNumber,
  limit: wholeNumber,
  sampling: record(samplingFields),
  signal: abortSignal,
  onProgress: callback,
};

const optionFields: Fields<EvaluateRunOptions> = {
  ...settingFields,
  model: required(text),
  config: anyRecord,
  task: text,
  family: anyRecord,
  out: text,
  adapter: text,
  device: text,
  dtype: oneOf('auto', 'float32', 'bfloat16'),
  threads: count,
};

/** The result of `evaluateRun`. */
export interface EvaluatedRun {
  readonly evaluation: EvaluationReport;
  /** The file that was written; absent for a model folder without `out`. */
  readonly file?: string;
}

/** The model to evaluate, with the config that completes the options. */
interface Subject {
  readonly folder: string;
  readonly adapter?: string;
  readonly config: RunConfig;
  readonly out?: string;
}

/**
 * Attempts every task of a split once, improves K times, and reports quality and solved share at every k.
 * @throws RunFolderError when a run holds no checkpoint, ConfigError when no task is named or the split has no tasks,
 * CancelledError when the signal fires, InvalidRequestError for an option that is missing, unknown or wrong.
 *
 * @example
 * import { evaluateRun, shippedModel } from 'exit-rl';
 *
 * const { evaluation } = await evaluateRun({
 *   model: shippedModel('tiny'),
 *   task: 'code-breaker',
 *   iterations: 2,
 *   draws: 1,
 *   limit: 4,
 * });
 * console.log(evaluation.quality);
 */
export async function evaluateRun(options: EvaluateRunOptions): Promise<EvaluatedRun> {
  requireFields<EvaluateRunOptions>('evaluateRun', options, optionFields);
  const { device = 'auto', dtype = 'auto', threads = 0, family: given } = options;
  const { folder, adapter, config, out } = await findSubject(options);
  const parts = await openParts({ ...config, seed: options.seed ?? config.seed }, given);
  try {
    const choice: PolicyChoice = { device, dtype, threads, trainable: false, chat: givenChat(config.chat) };
    const policy = await loadPolicy(folder, { ...choice, ...(adapter !== undefined && { adapter }) });
    try {
      const { family, rewards } = parts;
      const evaluation = await evaluatePolicy({
        ...settingsOf(options),
        config,
        policy,
        family,
        rewards,
        model: adapter ?? folder,
      });
      if (out !== undefined) await writeEvaluation(out, evaluation);
      return { evaluation, ...(out !== undefined && { file: out }) };
    } finally {
      await policy.close();
    }
  } finally {
    await parts.close();
  }
}

/** The settings among the options of a run, which `evaluatePolicy` takes. */
function settingsOf(options: EvaluateRunOptions): EvaluationSettings {
  const given = Object.entries(options).filter(([key]) => Object.hasOwn(settingFields, key));
  return Object.fromEntries(given) as EvaluationSettings;
}

export interface EvaluatePolicyOptions extends EvaluationSettings {
  readonly config: RunConfig;
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly rewards: readonly NamedReward[];
  /** Folder that the report names. */
  readonly model: string;
}

const policyParts: Fields<EvaluatePolicyOptions> = {
  ...settingFields,
  config: required(completeConfig),
  policy: required(generatorPart),
  family: required(anyRecord),
  rewards: required(namedRewards),
  model: required(text),
};

/**
 * Evaluates a loaded policy: attempts every task of a split once, then improves each answer K times.
 *
 * @throws ConfigError when the split has no tasks, CancelledError when the signal fires.
 * @example
 * import { LocalPolicy, parseConfig, shippedModel } from 'exit-rl';
 * import { evaluatePolicy, openParts } from 'exit-rl/run';
 *
 * const model = shippedModel('tiny');
 * const config = parseConfig({ task: 'code-breaker', model, sampling: { maxNewTokens: 6 } });
 * const { family, rewards } = await openParts(config);
 * const policy = await LocalPolicy.load(model);
 * const request = { config, policy, family, rewards, model, iterations: 1, draws: 1, limit: 2 };
 * console.log((await evaluatePolicy(request)).quality);
 * await policy.close();
 */
export async function evaluatePolicy(options: EvaluatePolicyOptions): Promise<EvaluationReport> {
  requireParts('evaluatePolicy', options, policyParts);
  requireFamily(options.family);
  const { config, policy, rewards, model, limit = 0, signal, onProgress } = options;
  const { split = config.evaluation.split, seed = config.seed } = options;
  const family = measuredFamily(options.family, rewards);
  const all = family.tasks(split);
  if (all.length === 0) {
    throw new ConfigError([{ key: 'evaluation.split', message: `there are no tasks in the split \`${split}\`` }]);
  }
  const evaluation = await evaluateIterations({
    policy,
    family,
    tasks: limit > 0 ? all.slice(0, limit) : all,
    ...chosenIterations(options),
    draws: options.draws ?? config.evaluation.draws,
    unreadable: options.unreadable ?? config.evaluation.unreadable,
    sampling: { ...config.sampling, ...options.sampling },
    seed,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  return { ...evaluation, model: resolve(model), task: config.task, split, seed };
}

/** K and the k to report: the caller's list sets K unless the caller sets it too, and overrides the config's list. */
function chosenIterations({
  at,
  iterations,
  config,
}: EvaluatePolicyOptions): Pick<EvaluationOptions, 'iterations' | 'at'> {
  if (at !== undefined) return { at, iterations: iterations ?? Math.max(0, ...at) };
  if (iterations !== undefined) return { iterations };
  const { at: configured, iterations: last } = config.evaluation;
  return { iterations: last, ...(configured && { at: configured }) };
}

/** Writes an evaluation as indented JSON. @throws RunFolderError when the file cannot be written. */
export async function writeEvaluation(file: string, evaluation: EvaluationReport): Promise<void> {
  const text = `${JSON.stringify(evaluation, null, 2)}\n`;
  await onDisk(file, async () => {
    const status = await lstat(file).catch(() => undefined);
    // A device, a pipe or a link must not be replaced by a file; an earlier evaluation must survive a full disk.
    if (status !== undefined && !status.isFile()) return writeFile(file, text);
    return replaceDurably(realDisk, file, text);
  });
}

async function findSubject(options: EvaluateRunOptions): Promise<Subject> {
  const { model, family, task = family?.name } = options;
  const { folder, adapter, run } = await findModel(model, options.adapter);
  // A named checkpoint is not the run: its evaluation is not that of the run's report.
  const own = run !== undefined && resolve(run) === resolve(model) ? join(run, 'evaluation.json') : undefined;
  const out = options.out ?? own;
  const found = run === undefined || options.config ? modelConfig(options, folder, task) : await readRunConfig(run);
  const config = task === undefined ? found : { ...found, task };
  return { folder, config, ...(adapter !== undefined && { adapter }), ...(out !== undefined && { out }) };
}

/** Completes the options for a model: from the config, or from the recipe with the task's name. */
function modelConfig({ config }: EvaluateRunOptions, model: string, task: string | undefined): RunConfig {
  if (config !== undefined) return parseConfig({ ...config, model });
  if (task === undefined) {
    throw new ConfigError([{ key: 'task', message: 'is missing: a name, a module, or a config that names one' }]);
  }
  const recipe = Object.hasOwn(recipes, task) ? recipes[task]?.() : undefined;
  return parseConfig({ ...recipe, task, model });
}
