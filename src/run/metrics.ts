/** Summarises one update as a line of metrics.jsonl. */
import { completionMetrics, countTokens, rewardMetrics, sortMetrics } from '../evaluation/group-metrics.js';
import type { Group } from '../method/group.js';
import type { UpdateMetrics } from '../policy/policy.js';
import { intentMetrics } from './intent-metrics.js';

/** One line of metrics.jsonl. Only `step_time` and `perf/*` differ between an uninterrupted run and a resumed one. */
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
  /** The engine's metrics of the update; undefined when it was skipped. */
  readonly engine: UpdateMetrics | undefined;
  readonly learningRate: number;
  /** Tokens of the run so far, this update included. */
  readonly tokens: number;
  readonly durations: Durations;
  /** Metrics of curriculum, diversity and embedder. */
  readonly parts: Readonly<Record<string, number>>;
}

/** Assembles the line of one update, its metrics in a fixed order. */
export function summariseUpdate(summary: UpdateSummary): MetricsRow {
  const { update, groups, engine, learningRate, tokens, durations, parts } = summary;
  return {
    update,
    ...rewardMetrics(groups),
    ...intentMetrics(groups),
    ...sortMetrics(engine),
    ...completionMetrics(groups),
    learning_rate: learningRate,
    num_tokens: tokens,
    update_skipped: engine === undefined ? 1 : 0,
    ...parts,
    ...timeMetrics(groups, durations),
  };
}
