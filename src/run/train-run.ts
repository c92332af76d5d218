/** Trains a whole run in one call: opens folder and policy, trains, evaluates, writes the report, and closes everything. */
import { basename, join } from 'node:path';
import { anyRecord, callback, type Fields, flag, listOf, requireFields, text } from '../arguments.js';
import type { ConfigInput } from '../config/define.js';
import { parseConfig, parseRewardedConfig, type RunConfig } from '../config/parse.js';
import { requireRun } from '../disk/require-run.js';
import { InvalidRequestError } from '../errors.js';
import { withUpdates } from '../method/base-tasks.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import { writeReport } from '../report/page.js';
import { type NamedReward, namedReward } from '../reward/named.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { createUpdateWarnings, warnBeforeTraining, warnOfNoEnd } from './advice.js';
import { loadRunPolicy, openParts, type RunParts, resolvePaths } from './assemble.js';
import { type EvaluationReport, evaluatePolicy, writeEvaluation } from './evaluate-run.js';
import { isFailedStart } from './failed-start.js';
import { periodicEvaluation } from './periodic-evaluation.js';
import { checkPrompts } from './prompt-check.js';
import { watchRewards } from './reward-advice.js';
import { openRun, type Run, requireKnownChanges } from './run.js';
import { claimFolder, isTaken } from './run-folder.js';
import { type TrainResult, train } from './train.js';
import { type Overrides, overrideFields, type TrainOptions } from './training.js';

/** A run before its first update. */
export interface BegunRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly family: TaskFamily;
  /** Updates of the resumed run; 0 for a new one. */
  readonly update: number;
}

/** Observes a run; `finish` is called when training ends. */
export interface RunObserver extends Pick<TrainOptions, 'onUpdate' | 'onGroups'> {
  finish?(): void;
}

/** Options of `trainRun` beside the config: folders, callbacks, and parts that override the config's. */
export interface TrainRunOptions extends Overrides {
  /** Overrides the family that `config.task` names. */
  readonly family?: TaskFamily;
  /**
   * Folder of a new run; by default the first free one of runs/NAME-METHOD-SEED, runs/NAME-METHOD-SEED-2, … One in which a
   * run made no update is free.
   */
  readonly out?: string;
  /** Resumes this run folder, or one of its checkpoints; the config must equal the run's except for `allowedChanges`. */
  readonly resume?: string;
  /** Config fields, `model`, `tokenizer` or `tasks` that may differ from the resumed run, as in `openRun`. */
  readonly allowedChanges?: readonly string[];
  /** Evaluates K steps on `config.evaluation.split` after training; by default where that split has tasks. */
  readonly evaluate?: boolean;
  /** Writes report.html into the run folder after training; default true. */
  readonly report?: boolean;
  /** Receives warnings, for example that most answers are cut off; by default they go to stderr. */
  readonly warn?: (message: string) => void;
  /** Called once everything is loaded. */
  readonly onBegin?: (run: BegunRun) => RunObserver | Promise<RunObserver>;
}

const optionFields: Fields<TrainRunOptions> = {
  ...overrideFields,
  family: anyRecord,
  out: text,
  resume: text,
  allowedChanges: listOf(text),
  evaluate: flag,
  report: flag,
  warn: callback,
  onBegin: callback,
};

function requireOptions(subject: string, options: TrainRunOptions): void {
  requireFields<TrainRunOptions>(subject, options, optionFields);
  requireKnownChanges(subject, options.allowedChanges);
  if (options.resume === undefined || options.out === undefined) return;
  const reason = 'excludes `resume`, which continues in its own folder: choose one';
  throw new InvalidRequestError('INVALID_REQUEST', `${subject}: \`out\`: ${reason}`, { key: 'out', reason });
}

/** The result of a whole run: that of training, with the run folder, the evaluation and the report. */
export interface TrainRunResult extends TrainResult {
  /** The run folder. */
  readonly path: string;
  /** Absent when training was stopped, or `evaluate` disabled it. */
  readonly evaluation?: EvaluationReport;
  /** Path of report.html; absent when `report` is false or no update was made. */
  readonly report?: string;
}

/**
 * Trains a run from its config: reads data and reward functions, opens and locks the run folder, loads the policy, trains
 * with the evaluations and checkpoints of the config, evaluates the result, writes the report, closes everything. A run that
 * learnt nothing returns `trained: 0`, with a warning.
 * @throws PromptTooLongError when no prompt leaves room for an answer, RewardError or TaskError when no answer of the first
 * update could be used, ConfigError for a wrong config, DataError for unreadable data, ModelFolderError for an unreadable model,
 * RunFolderError when the folder is in use or holds another run, InvalidRequestError for an option that is unknown or wrong.
 *
 * @example
 * import { shippedModel, trainRun } from 'exit-rl';
 *
 * const { path, evaluation } = await trainRun(
 *   { task: 'code-breaker', model: shippedModel('tiny'), method: 'exit', updates: 2, sampling: { maxNewTokens: 6 } },
 *   { out: 'runs/first', evaluate: false },
 * );
 * console.log(path, evaluation?.solved);
 */
export async function trainRun(config: ConfigInput, options: TrainRunOptions = {}): Promise<TrainRunResult> {
  requireOptions('trainRun', options);
  if (options.family !== undefined) requireFamily(options.family);
  const named = options.family ? { ...config, task: config?.task ?? options.family.name } : config;
  const hasRewards = options.reward !== undefined || (options.rewards ?? []).length > 0;
  return trainConfig(hasRewards ? parseRewardedConfig(named) : parseConfig(named), options);
}

/** Trains a run, like `trainRun`, from a parsed config. */
export async function trainConfig(given: RunConfig, options: TrainRunOptions): Promise<TrainRunResult> {
  requireOptions('trainConfig', options);
  if (options.resume !== undefined) await requireRun(options.resume);
  const resolved = await resolvePaths(given);
  const config = options.family ? { ...resolved, task: given.task } : resolved;
  const parts = await openParts(config, options.family);
  try {
    const complete = withUpdates(config, parts.family);
    return await trainIn(await openGiven(complete, parts.family, options), complete, parts, options);
  } finally {
    await parts.close();
  }
}

/** Other runs that may take a folder of the default name first. */
const mostRivals = 8;

/** Opens the run that the options name, or a new one in the first free folder of the default name. */
async function openGiven(config: RunConfig, family: TaskFamily, options: TrainRunOptions): Promise<Run> {
  const { resume, out, allowedChanges = [], warn = warnOnStderr } = options;
  const opening = { config, family, resume: resume !== undefined, allowedChanges, warn };
  const path = resume ?? out;
  if (path !== undefined) return openRun({ ...opening, path });
  for (let rivals = 0; ; rivals++) {
    const free = await claimFolder(defaultFolder(config), isFailedStart);
    try {
      return await openRun({ ...opening, path: free });
    } catch (error) {
      if (rivals === mostRivals || !isTaken(error)) throw error;
    }
  }
}

async function trainIn(
  run: Run,
  config: RunConfig,
  parts: RunParts,
  options: TrainRunOptions,
): Promise<TrainRunResult> {
  const folder = run.folder.path;
  try {
    const policy = await loadRunPolicy(config, run);
    try {
      const result = await trainWith(policy, run, config, parts, { ...options, folder });
      const evaluation = result.finished ? await evaluateTrained(policy, config, parts, folder, options) : undefined;
      const report = options.report !== false && result.updates > 0 ? await writeReport(folder) : undefined;
      return { ...result, path: folder, ...(evaluation && { evaluation }), ...(report !== undefined && { report }) };
    } finally {
      await policy.close();
    }
  } finally {
    await run.close();
  }
}

async function trainWith(
  policy: LocalPolicy,
  run: Run,
  config: RunConfig,
  { family, rewards: configured }: RunParts,
  options: TrainRunOptions & { readonly folder: string },
): Promise<TrainResult> {
  const { curriculum, embedder, signal, onBegin, folder: path } = options;
  const rewards = chooseRewards(options, configured);
  const evaluation = periodicEvaluation(config, policy, family, rewards);
  const update = run.resumed?.state.progress.update ?? 0;
  const warn = options.warn ?? warnOnStderr;
  warnBeforeTraining(config, family, warn);
  warnOfNoEnd(policy.info().endTokenIds, config, warn);
  if (update === 0) await checkPrompts(policy, family, config.sampling.maxNewTokens, warn);
  const watch = watchRewards(rewards, family.measuredBy === 'rewards', warn);
  const warnOfUpdate = createUpdateWarnings(config, warn);
  const observer = (await onBegin?.({ path, config, family, update })) ?? {};
  try {
    const result = await train({
      config,
      policy,
      family,
      rewards,
      run,
      evaluation,
      onUpdate: (row) => {
        warnOfUpdate(row);
        options.onUpdate?.(row);
        observer.onUpdate?.(row);
      },
      onGroups: (groups, at) => {
        watch.see(groups);
        options.onGroups?.(groups, at);
        observer.onGroups?.(groups, at);
      },
      ...(curriculum && { curriculum }),
      ...(embedder && { embedder }),
      ...(signal && { signal }),
    });
    watch.finish();
    if (result.finished && result.trained === 0) warn(nothingTrained);
    return result;
  } finally {
    observer.finish?.();
  }
}

const nothingTrained =
  'nothing was trained: no update changed the weights, because no group had answers with different rewards';

/** Chooses the reward functions: those of the script override those of the config. */
function chooseRewards({ reward, rewards }: Overrides, configured: readonly NamedReward[]): readonly NamedReward[] {
  if (rewards !== undefined) return rewards;
  return reward === undefined ? configured : [namedReward(reward)];
}

const warnOnStderr = (message: string): void => console.warn(`warning: ${message}`);

async function evaluateTrained(
  policy: LocalPolicy,
  config: RunConfig,
  { family, rewards: configured }: RunParts,
  folder: string,
  options: TrainRunOptions,
): Promise<EvaluationReport | undefined> {
  const { split } = config.evaluation;
  const wanted = options.evaluate ?? family.tasks(split).length > 0;
  if (!wanted) return undefined;
  const rewards = chooseRewards(options, configured);
  const request = { config, policy, family, rewards, model: folder };
  const evaluation = await evaluatePolicy({ ...request, ...(options.signal && { signal: options.signal }) });
  await writeEvaluation(join(folder, 'evaluation.json'), evaluation);
  return evaluation;
}

function defaultFolder({ name, recipe, task, method, seed }: RunConfig): string {
  return join('runs', name ?? `${recipe ?? basename(task).replace(/\.[cm]?[jt]s$/, '')}-${method}-${seed}`);
}
