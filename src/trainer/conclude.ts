/** The end of an update: its evaluation where one is due, and its line of metrics; and what a signal makes of both. */
import type { Curriculum, CurriculumState } from '../curriculum/curriculum.js';
import { CancelledError } from '../errors.js';
import { type EvaluationRequest, evaluateAtStart, evaluateIfDue } from './evaluation.js';
import type { MetricsRow } from './metrics.js';
import { recordMetrics } from './record.js';
import type { Run } from './run.js';
import type { SavedState, Saver } from './saver.js';

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
