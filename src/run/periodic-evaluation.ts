/** Evaluates during training where an evaluation is due, and records the best one. */
import { untilAborted } from '../abort.js';
import type { RunConfig } from '../config/parse.js';
import { ConfigError } from '../errors.js';
import { evaluateRewards } from '../evaluation/evaluate-rewards.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import { evaluateIterations, UnmeasuredError } from '../evaluation/iterate.js';
import { measuredFamily } from '../evaluation/measured.js';
import { createRewardPlan } from '../method/group.js';
import { updateSettings } from '../method/update-settings.js';
import type { EntropyState, Policy } from '../policy/policy.js';
import type { NamedReward } from '../reward/named.js';
import { createRng } from '../rng.js';
import { listTasks } from '../task/check.js';
import type { Task, TaskFamily } from '../task/task.js';
import { afterEvaluation, type Progress } from './state.js';

/** An evaluation during training: when it is due, and the function that measures it. */
export interface PeriodicEvaluation {
  /** Updates between evaluations; 0 leaves only those of `atStart` and `atEnd`. */
  readonly every: number;
  /** Evaluates before the first update. */
  readonly atStart?: boolean;
  /** Evaluates after the last update, whatever `every` is. */
  readonly atEnd?: boolean;
  /**
   * Returns metrics of the current policy by their full names (`eval_reward`, `eval/solved_4`); `signal` cancels it.
   * `entropy` is the state of an adaptive entropy bonus, which is part of the loss.
   */
  evaluate(update: number, signal?: AbortSignal, entropy?: EntropyState): Promise<Record<string, number>>;
}

export interface EvaluationRequest {
  readonly evaluation?: PeriodicEvaluation;
  readonly progress: Progress;
  readonly config: { readonly updates: number; readonly best: RunConfig['best'] };
  readonly signal?: AbortSignal;
}

function isDue({ every, atEnd = false }: PeriodicEvaluation, update: number, updates: number): boolean {
  return (every > 0 && update % every === 0) || (atEnd && update === updates);
}

/**
 * Evaluates after `update` and records the best evaluation in the progress; returns no metrics when none is due.
 * @throws CancelledError when the signal fires.
 */
export async function evaluateIfDue(request: EvaluationRequest, update: number): Promise<Record<string, number>> {
  const { evaluation, progress, config } = request;
  if (evaluation === undefined || !isDue(evaluation, update, config.updates)) return {};
  const metrics = await untilAborted(request.signal, evaluation.evaluate(update, request.signal, progress.entropy));
  const best = afterEvaluation(config.best, progress.best, update, metrics);
  if (best !== undefined) progress.best = best;
  return metrics;
}

/**
 * Evaluates before the first update; undefined without `atStart`, and for a resumed run.
 * @throws CancelledError when the signal fires.
 */
export async function evaluateAtStart({
  evaluation,
  progress,
  signal,
}: EvaluationRequest): Promise<Record<string, number> | undefined> {
  if (progress.update > 0 || evaluation?.atStart !== true) return undefined;
  return untilAborted(signal, evaluation.evaluate(0, signal));
}

type Metrics = Record<string, number>;

function selectTasks(
  { evaluation: { split, limit, every, atStart, atEnd } }: RunConfig,
  family: TaskFamily,
): readonly Task[] {
  const tasks = listTasks(family, split);
  if (tasks.length > 0 || (every === 0 && !atStart && !atEnd)) return limit > 0 ? tasks.slice(0, limit) : tasks;
  const hint = family.name === 'prompts' ? 'name held-out rows: data.test or data.testShare' : 'name another split';
  throw new ConfigError([{ key: 'evaluation.split', message: `there are no tasks in the split \`${split}\``, hint }]);
}

/**
 * Seeds an evaluation. With `common` every evaluation of a run draws the same random numbers: what differs between two of
 * them is the policy. With `fresh` each draws its own.
 */
function evaluationSeed({ seed, evaluation }: RunConfig, update: number): number {
  const rng = createRng(seed);
  return (evaluation.randomNumbers === 'common' ? rng.fork('evaluation') : rng.fork('evaluation', update)).id();
}

/** A verifier that fails everywhere leaves nothing to measure; training goes on. @throws any other error. */
function leftOut(error: unknown): Metrics {
  if (!(error instanceof UnmeasuredError)) throw error;
  return { 'eval/left_out': 1 };
}

/**
 * Creates the evaluation that a config asks for during training.
 *
 * @throws ConfigError when its split has no tasks.
 * @example
 * import { LocalPolicy, parseConfig, shippedModel } from 'exit-rl';
 * import { openParts, periodicEvaluation } from 'exit-rl/run';
 *
 * const evaluation = { iterations: 1, draws: 1, limit: 2, every: 50 };
 * const config = parseConfig({ task: 'code-breaker', model: shippedModel('tiny'), sampling: { maxNewTokens: 6 }, evaluation });
 * const { family, rewards } = await openParts(config);
 * const policy = await LocalPolicy.load(config.model);
 * console.log(await periodicEvaluation(config, policy, family, rewards).evaluate(0));
 * await policy.close();
 */
export function periodicEvaluation(
  config: RunConfig,
  policy: Policy,
  family: TaskFamily,
  rewards: readonly NamedReward[],
): PeriodicEvaluation {
  const { every, atStart, atEnd, iterations, at, draws, measure, generations, unreadable } = config.evaluation;
  const { sampling } = config;
  const tasks = selectTasks(config, family);
  const plan = createRewardPlan({ config, family, rewards });
  const chained = measuredFamily(family, plan.functions);
  const { advantage, overlongFilter } = config;
  const evaluate: PeriodicEvaluation['evaluate'] = async (update, signal, entropy) => {
    const loss = { advantage, overlongFilter, update: updateSettings(config, Math.max(1, update), entropy) };
    const seed = evaluationSeed(config, update);
    const shared = { policy, tasks, sampling, seed, ...(signal && { signal }) };
    const measureRewards = (): Promise<Metrics> => evaluateRewards({ ...shared, family, plan, generations, loss });
    const chains = { ...shared, family: chained, iterations, draws, unreadable, ...(at && { at }) };
    const measureIterations = async (): Promise<Metrics> => evaluationMetrics(await evaluateIterations(chains), at);
    return {
      ...(measure === 'iterations' ? {} : await measureRewards()),
      ...(measure === 'rewards' ? {} : await measureIterations().catch(leftOut)),
    };
  };
  return { every, atStart, atEnd, evaluate };
}

/** Whether metrics include the values at k: for 0, 1, 2, 4, 8, … and the last. */
function isColumn(k: number, last: number): boolean {
  return k === last || k === 0 || Number.isInteger(Math.log2(k));
}

/** Names the values of some k: `eval/solved_4`. */
function atColumns(
  columns: readonly number[],
  { k }: Evaluation,
  name: string,
  values: readonly number[] = [],
): Metrics {
  return Object.fromEntries(
    columns.flatMap((at) => {
      const value = values[k.indexOf(at)];
      return value === undefined ? [] : [[`eval/${name}_${at}`, value]];
    }),
  );
}

/** Converts an evaluation to metrics `eval/…`; with `at`, those of every reported k. */
function evaluationMetrics(evaluation: Evaluation, at: readonly number[] | undefined): Metrics {
  const { k, deltaQuality, deltaSolved, fixedTotal, brokenTotal, unreadableRewrites, standardErrors } = evaluation;
  const { tasks, draws, failures } = evaluation;
  const columns = at === undefined ? k.filter((one) => isColumn(one, k.at(-1) ?? 0)) : k;
  const rewrites = columns.filter((one) => one > 0);
  return {
    ...atColumns(columns, evaluation, 'quality', evaluation.quality),
    ...atColumns(columns, evaluation, 'solved', evaluation.solved),
    ...atColumns(columns, evaluation, 'solved_error', standardErrors?.solved.tasks),
    ...atColumns(rewrites, evaluation, 'fixed', evaluation.fixed),
    ...atColumns(rewrites, evaluation, 'broken', evaluation.broken),
    ...atColumns(columns, evaluation, 'unreadable', evaluation.unreadable),
    'eval/delta_quality': deltaQuality,
    'eval/delta_solved': deltaSolved,
    'eval/fixed': fixedTotal,
    'eval/broken': brokenTotal,
    ...(unreadableRewrites !== undefined && { 'eval/unreadable': unreadableRewrites }),
    'eval/left_out': (failures?.count ?? 0) / (tasks * draws),
  };
}
