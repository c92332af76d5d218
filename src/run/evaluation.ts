/** Evaluates during training where an evaluation is due, and records the best one. */

import { untilAborted } from '../abort.js';
import type { BestSettings } from '../method/settings.js';
import type { EntropyState } from '../policy/policy.js';
import { afterEvaluation, type Progress } from './state.js';

export interface PeriodicEvaluation {
  /** Updates between evaluations; 0 leaves only those of `atStart` and `atEnd`. */
  readonly every: number;
  /** Evaluates before the first update. */
  readonly atStart?: boolean;
  /** Evaluates after the last update in any case. */
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
  readonly config: { readonly updates: number; readonly best: BestSettings };
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
