/**
 * The training loop: one iteration of ExIt's Algorithm 1 (arXiv 2509.04575) after the other, each with its evaluation and
 * its checkpoint where they are due. Every method runs this loop; only its settings differ.
 */

import { CancelledError } from '../errors.js';
import type { Curriculum, CurriculumState } from '../method/curriculum.js';
import { explore } from '../method/update.js';
import { type EvaluationRequest, evaluateAtStart, evaluateIfDue } from './evaluation.js';
import type { MetricsRow } from './metrics.js';
import type { Run } from './run.js';
import type { SavedState, Saver } from './saver.js';
import { type BestState, isExhausted } from './state.js';
import { recordMetrics } from './traces.js';
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
    if (progress.update > 0) await saver?.save(stateOf(training));
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
    const explored = await unlessCancelled(training, () => explore(training, progress.update + 1));
    if (explored === undefined) break;
    const row = await conclude(training, explored.row);
    if (row === undefined) break;
    training.refuseStalled(explored.groups);
    metrics = row;
    saver?.check();
    const isBest = progress.best?.update === progress.update;
    if (isBest || isDue(progress.update, config.checkpoint.every)) await saver?.save(stateOf(training));
  }
  return metrics;
}

/** All updates are made, or evaluations have stopped getting better. */
const isOver = ({ config, progress }: Training): boolean =>
  progress.unevaluated === undefined && (progress.update >= config.updates || isExhausted(config.best, progress.best));

const isDue = (update: number, every: number): boolean => every > 0 && update % every === 0;

// The end of an update: its evaluation where one is due, and its line of metrics.

export interface Concluded extends EvaluationRequest {
  readonly curriculum: Curriculum;
  readonly run?: Run;
  readonly saver: Saver | undefined;
  readonly onUpdate?: (metrics: MetricsRow) => void;
}

export const stateOf = ({ progress, curriculum }: Pick<Concluded, 'progress' | 'curriculum'>): SavedState => ({
  progress,
  curriculum: curriculum.snapshot(),
});

/** What is due before the next update: the evaluation at the start, or one that an interrupted run did not end. */
export async function beginUpdates(training: Concluded): Promise<MetricsRow | undefined> {
  const { progress, saver } = training;
  if (progress.unevaluated) {
    const row = await conclude(training, progress.unevaluated);
    if (row) await saver?.save(stateOf(training));
    return row;
  }
  const before = await unlessCancelled(training, () => evaluateAtStart(training));
  if (before) await recordMetrics(training, { update: 0, ...before });
  return undefined;
}

/**
 * Evaluates after an update where that is due, and writes its line of metrics; undefined when the evaluation was
 * cancelled. The line then waits in the checkpoint for the resumed run, which evaluates first.
 */
export async function conclude(training: Concluded, row: MetricsRow): Promise<MetricsRow | undefined> {
  const { progress } = training;
  progress.unevaluated = row;
  const evaluated = await unlessCancelled(training, () => evaluateIfDue(training, row.update));
  if (evaluated === undefined) return undefined;
  delete progress.unevaluated;
  const whole = { ...row, ...evaluated };
  await recordMetrics(training, whole);
  training.onUpdate?.(whole);
  return whole;
}

/** The result of `work`; undefined when it was cancelled, with the curriculum as it was before. */
export async function unlessCancelled<Value>(
  training: Concluded,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  const { curriculum, signal } = training;
  const before: CurriculumState | undefined = signal && curriculum.snapshot();
  try {
    return await work();
  } catch (error) {
    if (!signal?.aborted || !CancelledError.isInstance(error)) throw error;
    if (before) curriculum.restore(before);
    return undefined;
  }
}
