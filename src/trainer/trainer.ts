/**
 * The training loop: one iteration of ExIt's Algorithm 1 (arXiv 2509.04575) after the other, each with its evaluation and
 * its checkpoint where they are due. Every method runs this loop; only its settings differ.
 */
import { type BestState, isExhausted } from './best.js';
import { beginUpdates, conclude, stateOf, unlessCancelled } from './conclude.js';
import { explore } from './explore.js';
import type { MetricsRow } from './metrics.js';
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
