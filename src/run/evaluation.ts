/** Evaluation while training: when it is due, and what the run remembers of it. */

import { untilAborted } from '../abort.js';
import type { BestSettings } from '../method/settings.js';
import type { EntropyState } from '../policy/policy.js';
import { afterEvaluation, type Progress } from './state.js';

export interface PeriodicEvaluation {
  /** Updates between evaluations; 0 evaluates at start and end only, where those are asked for. */
  readonly every: number;
  /** Before the first update. */
  readonly atStart?: boolean;
  /** After the last update, whether or not it is due then. */
  readonly atEnd?: boolean;
  /**
   * Metrics of the current policy, by their full names (`eval_reward`, `eval/solved_4`); given up when `signal` fires.
   * `entropy` is where an adaptive entropy bonus stands, which is part of the loss.
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

/** The metrics of the evaluation after `update`; none when it is not due. The best so far goes into the progress. @throws CancelledError. */
export async function evaluateIfDue(request: EvaluationRequest, update: number): Promise<Record<string, number>> {
  const { evaluation, progress, config } = request;
  if (evaluation === undefined || !isDue(evaluation, update, config.updates)) return {};
  const metrics = await untilAborted(request.signal, evaluation.evaluate(update, request.signal, progress.entropy));
  const best = afterEvaluation(config.best, progress.best, update, metrics);
  if (best !== undefined) progress.best = best;
  return metrics;
}

/** The metrics before the first update; undefined when they are not asked for, or training has begun. @throws CancelledError. */
export async function evaluateAtStart({
  evaluation,
  progress,
  signal,
}: EvaluationRequest): Promise<Record<string, number> | undefined> {
  if (progress.update > 0 || evaluation?.atStart !== true) return undefined;
  return untilAborted(signal, evaluation.evaluate(0, signal));
}
