/** The metrics of one update: a line of metrics.jsonl. */
import { completionMetrics, countTokens, rewardMetrics, sorted } from '../evaluation/group-metrics.js';
import type { Group } from '../method/group.js';
import type { UpdateMetrics } from '../policy/policy.js';

/** One line of metrics.jsonl. Only `step_time` and `perf/*` differ between a run and its resumed twin. */
export type MetricsRow = { readonly update: number } & Readonly<Record<string, number>>;

export interface Durations {
  readonly rolloutSeconds: number;
  readonly updateSeconds: number;
  readonly totalSeconds: number;
}

function timeMetrics(groups: readonly Group[], durations: Durations): Record<string, number> {
  const { rolloutSeconds, updateSeconds, totalSeconds } = durations;
  return {
    step_time: totalSeconds,
    'perf/rollout_seconds': rolloutSeconds,
    'perf/update_seconds': updateSeconds,
    'perf/tokens_per_second': totalSeconds > 0 ? countTokens(groups) / totalSeconds : 0,
  };
}

export interface UpdateSummary {
  readonly update: number;
  readonly groups: readonly Group[];
  /** What the engine reports of the update; undefined when it was skipped. */
  readonly engine: UpdateMetrics | undefined;
  readonly learningRate: number;
  /** Tokens of the run so far, this update included. */
  readonly tokens: number;
  readonly durations: Durations;
  /** Metrics that curriculum, diversity and embedder keep themselves. */
  readonly parts: Readonly<Record<string, number>>;
}

/** One line of metrics.jsonl. */
export function summariseUpdate(summary: UpdateSummary): MetricsRow {
  const { update, groups, engine, learningRate, tokens, durations, parts } = summary;
  return {
    update,
    ...rewardMetrics(groups),
    ...sorted(engine),
    ...completionMetrics(groups),
    learning_rate: learningRate,
    num_tokens: tokens,
    update_skipped: engine === undefined ? 1 : 0,
    ...parts,
    ...timeMetrics(groups, durations),
  };
}
