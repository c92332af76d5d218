/** Which evaluation was the best so far, and when there have been enough without a better one. */
import { ConfigError } from '../errors.js';

export interface BestSettings {
  /** Metric of the evaluations that tells the best checkpoint; absent keeps none beyond the newest. */
  readonly metric?: string | undefined;
  /** By default false for a metric that ends in `loss`, else true. */
  readonly greaterIsBetter?: boolean | undefined;
  /** Evaluations in a row without a gain after which training stops; 0 never stops. */
  readonly patience: number;
  /** A gain is larger than this. */
  readonly threshold: number;
}

/** Part of a run's progress: the best update, and how long ago the last gain was. */
export interface BestState {
  readonly update: number;
  readonly value: number;
  /** Evaluations in a row without a gain above the threshold. */
  readonly withoutGain: number;
}

/** The metric's value, by its name or without the prefix `eval_`, as TRL's users write it. */
function measured(metric: string, metrics: Readonly<Record<string, number>>): number {
  const value = metrics[metric] ?? metrics[`eval_${metric}`];
  if (value !== undefined) return value;
  const names = Object.keys(metrics).join(', ');
  throw new ConfigError([{ key: 'best.metric', message: `\`${metric}\` is no metric of the evaluation`, hint: names }]);
}

/**
 * The state after the evaluation of `update`: transformers' `_determine_best_metric` and `EarlyStoppingCallback`. Any
 * better value is the new best; only a gain above the threshold over the best before it begins the count anew. What is
 * not a number is never the best.
 * @throws ConfigError when the metric is not among the evaluation's.
 */
export function afterEvaluation(
  { metric, greaterIsBetter, threshold }: BestSettings,
  before: BestState | undefined,
  update: number,
  metrics: Readonly<Record<string, number>>,
): BestState | undefined {
  if (metric === undefined) return undefined;
  const value = measured(metric, metrics);
  if (!Number.isFinite(value)) return before && { ...before, withoutGain: before.withoutGain + 1 };
  if (before === undefined) return { update, value, withoutGain: 0 };
  const rises = greaterIsBetter ?? !metric.endsWith('loss');
  const better = rises ? value > before.value : value < before.value;
  const gained = better && Math.abs(value - before.value) > threshold;
  const withoutGain = gained ? 0 : before.withoutGain + 1;
  return better ? { update, value, withoutGain } : { ...before, withoutGain };
}

/** Whether training is over because evaluations have stopped getting better. */
export function isExhausted({ patience }: BestSettings, state: BestState | undefined): boolean {
  return patience > 0 && state !== undefined && state.withoutGain >= patience;
}
