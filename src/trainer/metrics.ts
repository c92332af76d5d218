/** The metrics of one update, by TRL's names where TRL has one. */
import { type Group, isTrainable } from '../group.js';
import type { UpdateMetrics } from '../policy/policy.js';
import type { RolloutTurn } from '../rollout.js';

/** One line of metrics.jsonl. Only `step_time` and `perf/*` differ between a run and its resumed twin. */
export type MetricsRow = { readonly update: number } & Readonly<Record<string, number>>;

export interface Durations {
  readonly rolloutSeconds: number;
  readonly updateSeconds: number;
  readonly totalSeconds: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : sum(values) / values.length);
// Not Math.max(...values): a batch may hold more values than a call takes arguments.
const highest = (values: readonly number[]): number => values.reduce((best, value) => Math.max(best, value), -Infinity);
const lowest = (values: readonly number[]): number => values.reduce((best, value) => Math.min(best, value), Infinity);
const share = <Item>(items: readonly Item[], holds: (item: Item) => boolean): number =>
  items.length === 0 ? 0 : items.filter(holds).length / items.length;

/** Sample standard deviation (n − 1), as TRL reports it; 0 for fewer than two values. */
function sampleStd(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

function turnsOf(groups: readonly Group[]): readonly RolloutTurn[] {
  return groups.flatMap(({ rollouts }) => rollouts.flatMap(({ turns }) => turns));
}

/** Tokens of the batch, prompts counted once per completion as TRL does. */
export function countTokens(groups: readonly Group[]): number {
  return sum(turnsOf(groups).map(({ promptTokens, completion }) => promptTokens.length + completion.tokens.length));
}

function rewardMetrics(groups: readonly Group[]): Record<string, number> {
  const known = groups.filter(isTrainable);
  const rewards = known.flatMap((group) => [...group.rewards]);
  const qualities = known.flatMap((group) => [...group.qualities]);
  return {
    reward: mean(rewards),
    reward_std: sampleStd(rewards),
    frac_reward_zero_std: share(known, (group) => group.rewards.every((reward) => reward === group.rewards[0])),
    quality: mean(qualities),
    solved: share(qualities, (quality) => quality === 1),
    groups_dropped: groups.length - known.length,
  };
}

function completionMetrics(groups: readonly Group[]): Record<string, number> {
  const completions = turnsOf(groups).map(({ completion }) => completion);
  if (completions.length === 0) return {};
  const lengths = completions.map(({ tokens }) => tokens.length);
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': lowest(lengths),
    'completions/max_length': highest(lengths),
    'completions/clipped_ratio': share(completions, ({ finishReason }) => finishReason === 'length'),
  };
}

/** d over the batch; absent without a bonus. */
export function diversityMetrics(factors: readonly Float64Array[]): Record<string, number> {
  const values = factors.flatMap((group) => [...group]);
  return values.length === 0 ? {} : { 'diversity/mean': mean(values), 'diversity/max': highest(values) };
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
  /** Metrics of the rooms that keep their own: curriculum, buffer, diversity, evaluation. */
  readonly rooms: Readonly<Record<string, number>>;
}

/** The engine names its metrics in no order; a line of a resumed run must equal its twin's byte for byte. */
function sorted(metrics: UpdateMetrics = {}): UpdateMetrics {
  return Object.fromEntries(Object.entries(metrics).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** One line of metrics.jsonl. */
export function summariseUpdate(summary: UpdateSummary): MetricsRow {
  const { update, groups, engine, learningRate, tokens, durations, rooms } = summary;
  return {
    update,
    ...rewardMetrics(groups),
    ...sorted(engine),
    ...completionMetrics(groups),
    learning_rate: learningRate,
    num_tokens: tokens,
    update_skipped: engine === undefined ? 1 : 0,
    ...rooms,
    ...timeMetrics(groups, durations),
  };
}
