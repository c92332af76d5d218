/**
 * The training loop: repeats one update of ExIt's Algorithm 1 (arXiv 2509.04575), and evaluates and saves where that is due.
 * Every method runs this loop; only the settings differ.
 */

import { performance } from 'node:perf_hooks';
import { requireFields } from '../arguments.js';
import { CancelledError } from '../errors.js';
import { countTokens } from '../evaluation/group-metrics.js';
import { samplingMetrics } from '../method/collect.js';
import { diversityMetrics, measureStartDistances } from '../method/diversity.js';
import type { Group } from '../method/group.js';
import { type Method, type Updated, update } from '../method/update.js';
import { entropyState, updateSettings } from '../method/update-settings.js';
import { type MetricsRow, summariseUpdate } from './metrics.js';
import { evaluateAtStart, evaluateIfDue } from './periodic-evaluation.js';
import type { SavedState } from './saver.js';
import { type BestState, isExhausted, type Progress } from './state.js';
import { recordMetrics, recordTraces } from './traces.js';
import { beginTraining, type Training, type TrainOptions, trainFields } from './training.js';

export type { TrainOptions } from './training.js';

/** The result of `train`: the updates made, the last metrics and the last checkpoint. */
export interface TrainResult {
  /** Finished updates, those of a resumed run included. */
  readonly updates: number;
  /** Updates that changed the weights; 0 after a run in which nothing could be learnt, for example from equal rewards. */
  readonly trained: number;
  /** True when the signal cancelled the evaluation after the last update; a resumed run makes it first. */
  readonly unevaluated: boolean;
  /** False when the signal ended training early; true also when early stopping ended it. */
  readonly finished: boolean;
  /** The best evaluation, whose checkpoint `checkpoint-{update}` is kept. Absent without `best.metric`. */
  readonly best?: BestState;
  /** Metrics of the last update; absent when none was made. */
  readonly metrics?: MetricsRow;
  /** Folder of the last checkpoint; absent without a run folder, and when no update was made. */
  readonly checkpoint?: string;
}

/**
 * Trains the policy until `config.updates` updates are made, early stopping ends the run, or the signal fires. Aborting is
 * not an error: the result then has `finished: false`. The caller closes policy and run.
 * @throws ConfigError when config, family and rewards contradict each other, RunFolderError when the run folder cannot be
 * written, NonFiniteError after three refused updates in a row, RewardError or TaskError when three updates in a row had no
 * group to train on, NativeError when the engine fails, InvalidRequestError for an option that is missing, unknown or wrong.
 *
 * @example
 * import { codeBreaker, LocalPolicy, parseConfig, shippedModel, train } from 'exit-rl';
 *
 * const config = parseConfig({
 *   task: 'code-breaker',
 *   model: shippedModel('tiny'),
 *   updates: 1,
 *   startsPerBatch: 2,
 *   groupSize: 4,
 *   sampling: { maxNewTokens: 6 },
 * });
 * const policy = await LocalPolicy.load(config.model, { device: 'cpu' });
 * const { metrics } = await train({ config, policy, family: codeBreaker() });
 * console.log(metrics?.reward);
 * await policy.close();
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  requireFields<TrainOptions>('train', options, trainFields);
  const training = await beginTraining(options);
  const { progress, saver } = training;
  try {
    const metrics = await makeUpdates(training);
    if (progress.update > 0) await saver?.save(savedState(training));
    const checkpoint = await saver?.finish();
    const { update: updates, trained, best } = progress;
    return {
      updates,
      trained,
      finished: isOver(training),
      unevaluated: progress.unevaluated !== undefined,
      ...(metrics && { metrics }),
      ...(checkpoint && { checkpoint }),
      ...(best && { best }),
    };
  } catch (error) {
    // The caller is about to unlock the folder: finishes the running save, which is a good checkpoint.
    await saver?.finish().catch(() => undefined);
    throw error;
  } finally {
    if (options.embedder === undefined) await training.embedder.close?.();
  }
}

/** Makes the remaining updates and returns the metrics of the last one; undefined when there was none. */
async function makeUpdates(training: Training): Promise<MetricsRow | undefined> {
  const { config, progress, signal, saver } = training;
  let metrics = await beginUpdates(training);
  while (!isOver(training) && !signal?.aborted) {
    const result = await unlessCancelled(signal, () => makeUpdate(training, progress.update + 1));
    if (result === undefined) break;
    const row = await finishUpdate(training, result.row);
    if (row === undefined) break;
    training.refuseStalled(result.groups);
    metrics = row;
    saver?.check();
    const isBest = progress.best?.update === progress.update;
    if (isBest || isDue(progress.update, config.checkpoint.every)) await saver?.save(savedState(training));
  }
  return metrics;
}

/** Whether all updates are made, or early stopping ends the run. */
const isOver = ({ config, progress }: Training): boolean =>
  progress.unevaluated === undefined && (progress.update >= config.updates || isExhausted(config.best, progress.best));

const isDue = (update: number, every: number): boolean => every > 0 && update % every === 0;

const savedState = ({ progress, curriculum }: Training): SavedState => ({
  progress,
  curriculum: curriculum.snapshot(),
});

/** Makes, times and traces one update; returns its line of metrics without those of an evaluation. */
async function makeUpdate(training: Training, number: number): Promise<{ row: MetricsRow; groups: readonly Group[] }> {
  const began = performance.now();
  let rolledOut = began;
  const onGroups: Method['onGroups'] = (groups, at) => {
    training.onGroups?.(groups, at);
    rolledOut = performance.now();
  };
  const updated = await update({ ...training, onGroups }, number, training.progress.entropy);
  const ended = performance.now();
  const { learningRate } = updateSettings(training.config, number);
  countUpdate(training.progress, number, updated, learningRate);
  const parts = await measureParts(training, updated);
  const row = summariseUpdate({
    update: number,
    groups: updated.groups,
    engine: updated.metrics,
    learningRate,
    tokens: training.progress.tokens,
    durations: {
      rolloutSeconds: (rolledOut - began) / 1000,
      updateSeconds: (ended - rolledOut) / 1000,
      totalSeconds: (performance.now() - began) / 1000,
    },
    parts,
  });
  await recordTraces(training, number, updated);
  return { row, groups: updated.groups };
}

/** Consecutive updates refused for a number that is not finite after which training stops. */
const nonFiniteLimit = 3;

/** Advances the counters. @throws NonFiniteError at the third refused update in a row; single bad batches are skipped. */
function countUpdate(
  progress: Progress,
  number: number,
  { groups, metrics, refused }: Updated,
  learningRate: number,
): void {
  if (refused && ++progress.nonFinite >= nonFiniteLimit) throw refused;
  if (metrics) {
    if (metrics.grad_norm !== 0 && learningRate > 0) progress.trained++;
    Object.assign(progress, entropyState(metrics));
    progress.nonFinite = 0;
  }
  progress.update = number;
  progress.tokens += countTokens(groups);
}

/** Collects the metrics of curriculum, diversity and embedder. */
async function measureParts(training: Training, { groups, credited }: Updated): Promise<Record<string, number>> {
  const { config, curriculum, embedder, family } = training;
  return {
    ...samplingMetrics(groups, config),
    ...curriculum.metrics(),
    ...(await measureStartDistances(groups, family, embedder)),
    ...diversityMetrics(credited, config.diversity.clamp),
    ...embedder.metrics?.(),
  };
}

/** Makes the evaluation that an interrupted run did not finish, or the one before the first update. */
async function beginUpdates(training: Training): Promise<MetricsRow | undefined> {
  const { progress, saver, signal } = training;
  if (progress.unevaluated) {
    const row = await finishUpdate(training, progress.unevaluated);
    if (row) await saver?.save(savedState(training));
    return row;
  }
  const before = await unlessCancelled(signal, () => evaluateAtStart(training));
  if (before) await recordMetrics(training, { update: 0, ...before });
  return undefined;
}

/**
 * Evaluates after an update where that is due, and writes its line of metrics. Returns undefined when the evaluation was
 * cancelled; the checkpoint then holds the line for the resumed run, which evaluates first.
 */
async function finishUpdate(training: Training, row: MetricsRow): Promise<MetricsRow | undefined> {
  const { progress, signal } = training;
  progress.unevaluated = row;
  const evaluated = await unlessCancelled(signal, () => evaluateIfDue(training, row.update));
  if (evaluated === undefined) return undefined;
  delete progress.unevaluated;
  const complete = { ...row, ...evaluated };
  await recordMetrics(training, complete);
  training.onUpdate?.(complete);
  return complete;
}

/** Returns the result of `work`; undefined when the signal cancelled it. */
async function unlessCancelled<Value>(
  signal: AbortSignal | undefined,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!signal?.aborted || !CancelledError.isInstance(error)) throw error;
    return undefined;
  }
}
