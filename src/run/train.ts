/**
 * The training loop: one iteration of ExIt's Algorithm 1 (arXiv 2509.04575) after the other, each with its evaluation and
 * its checkpoint where they are due. Every method runs this loop; only its settings differ.
 */

import { performance } from 'node:perf_hooks';
import { CancelledError } from '../errors.js';
import { countTokens } from '../evaluation/group-metrics.js';
import { samplingMetrics } from '../method/collect.js';
import { diversityMetrics, measureStartDistances } from '../method/diversity.js';
import type { Group } from '../method/group.js';
import { type Method, type Updated, update } from '../method/update.js';
import { entropyState, updateSettings } from '../method/update-settings.js';
import { evaluateAtStart, evaluateIfDue } from './evaluation.js';
import { type MetricsRow, summariseUpdate } from './metrics.js';
import type { SavedState } from './saver.js';
import { type BestState, isExhausted, type Progress } from './state.js';
import { recordMetrics, recordTraces } from './traces.js';
import { beginTraining, type Training, type TrainOptions } from './training.js';

export type { TrainOptions } from './training.js';

export interface TrainResult {
  /** Finished updates, those of a resumed run included. */
  readonly updates: number;
  /** True when the signal ended the evaluation after the last update, which a resumed run makes up for. */
  readonly unevaluated: boolean;
  /** False when the signal ended training early; true as well when evaluations had stopped getting better. */
  readonly finished: boolean;
  /** The best evaluation; its checkpoint, `checkpoint-{update}`, is kept. Absent without `best.metric`. */
  readonly best?: BestState;
  /** Metrics of the last update; absent when there was none. */
  readonly metrics?: MetricsRow;
  /** The last checkpoint; absent without a run folder, or when nothing was trained. */
  readonly checkpoint?: string;
}

/** Trains until `config.updates` updates are made, or the signal asks to stop. */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const training = await beginTraining(options);
  const { progress, saver } = training;
  try {
    const metrics = await makeUpdates(training);
    if (progress.update > 0) await saver?.save(savedState(training));
    const checkpoint = await saver?.finish();
    const { update: updates, best } = progress;
    const [finished, unevaluated] = [isOver(training), progress.unevaluated !== undefined];
    return {
      updates,
      finished,
      unevaluated,
      ...(metrics && { metrics }),
      ...(checkpoint && { checkpoint }),
      ...(best && { best }),
    };
  } catch (error) {
    // The folder is about to be unlocked: what is being written is finished first, and is a good checkpoint.
    await saver?.finish().catch(() => undefined);
    throw error;
  } finally {
    if (options.embedder === undefined) await training.embedder.close?.();
  }
}

/** The metrics of the last update; undefined when there was none. */
async function makeUpdates(training: Training): Promise<MetricsRow | undefined> {
  const { config, progress, signal, saver } = training;
  let metrics = await beginUpdates(training);
  while (!isOver(training) && !signal?.aborted) {
    const made = await unlessCancelled(signal, () => makeUpdate(training, progress.update + 1));
    if (made === undefined) break;
    const row = await finishUpdate(training, made.row);
    if (row === undefined) break;
    training.refuseStalled(made.groups);
    metrics = row;
    saver?.check();
    const isBest = progress.best?.update === progress.update;
    if (isBest || isDue(progress.update, config.checkpoint.every)) await saver?.save(savedState(training));
  }
  return metrics;
}

/** All updates are made, or evaluations have stopped getting better. */
const isOver = ({ config, progress }: Training): boolean =>
  progress.unevaluated === undefined && (progress.update >= config.updates || isExhausted(config.best, progress.best));

const isDue = (update: number, every: number): boolean => every > 0 && update % every === 0;

const savedState = ({ progress, curriculum }: Training): SavedState => ({
  progress,
  curriculum: curriculum.snapshot(),
});

/** One update, timed and traced, with its line of metrics but for an evaluation. */
async function makeUpdate(training: Training, number: number): Promise<{ row: MetricsRow; groups: readonly Group[] }> {
  const began = performance.now();
  let rolled = began;
  const onGroups: Method['onGroups'] = (groups, at) => {
    training.onGroups?.(groups, at);
    rolled = performance.now();
  };
  const updated = await update({ ...training, onGroups }, number, training.progress.entropy);
  const ended = performance.now();
  countUpdate(training.progress, number, updated);
  const parts = await measureParts(training, updated);
  const row = summariseUpdate({
    update: number,
    groups: updated.groups,
    engine: updated.metrics,
    learningRate: updateSettings(training.config, number).learningRate,
    tokens: training.progress.tokens,
    durations: {
      rolloutSeconds: (rolled - began) / 1000,
      updateSeconds: (ended - rolled) / 1000,
      totalSeconds: (performance.now() - began) / 1000,
    },
    parts,
  });
  await recordTraces(training, number, updated.credited);
  return { row, groups: updated.groups };
}

/** Updates in a row that may be refused for a number that is not finite, before training stops. */
const nonFiniteLimit = 3;

/** @throws NonFiniteError at the third refused update in a row: one bad batch may pass. */
function countUpdate(progress: Progress, number: number, { groups, metrics, refused }: Updated): void {
  if (refused && ++progress.nonFinite >= nonFiniteLimit) throw refused;
  if (metrics) {
    Object.assign(progress, entropyState(metrics));
    progress.nonFinite = 0;
  }
  progress.update = number;
  progress.tokens += countTokens(groups);
}

/** The metrics that curriculum, diversity and embedder keep themselves. */
async function measureParts(training: Training, { groups, credited }: Updated): Promise<Record<string, number>> {
  const { config, curriculum, embedder, family } = training;
  return {
    ...samplingMetrics(groups, config),
    ...curriculum.metrics(),
    ...(await measureStartDistances(groups, family, embedder)),
    ...diversityMetrics(credited.flatMap(({ factors }) => factors ?? [])),
    ...embedder.metrics?.(),
  };
}

/** Makes up for the evaluation that an interrupted run did not end, or makes the one at the start. */
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
 * Evaluates after an update where that is due, and writes its line of metrics; undefined when the evaluation was
 * cancelled. The line then waits in the checkpoint for the resumed run, which evaluates first.
 */
async function finishUpdate(training: Training, row: MetricsRow): Promise<MetricsRow | undefined> {
  const { progress, signal } = training;
  progress.unevaluated = row;
  const evaluated = await unlessCancelled(signal, () => evaluateIfDue(training, row.update));
  if (evaluated === undefined) return undefined;
  delete progress.unevaluated;
  const whole = { ...row, ...evaluated };
  await recordMetrics(training, whole);
  training.onUpdate?.(whole);
  return whole;
}

/** The result of `work`; undefined when the signal cancelled it. */
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
