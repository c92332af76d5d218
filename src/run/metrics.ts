/** The metrics of one update, by TRL's names where TRL has one. */
import { type Group, isTrainable } from '../method/group.js';
import type { RolloutTurn } from '../method/rollout.js';
import type { UpdateMetrics } from '../policy/policy.js';

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

const isKnown = (value: number): boolean => !Number.isNaN(value);

/** TRL's test for equal rewards: a standard deviation of at most 1e-8 is none; of fewer than two rewards there is none. */
function isFlat({ rewards }: Pick<Group, 'rewards'>): boolean {
  const known = [...rewards].filter(isKnown);
  return rewards.length === 1 || (known.length > 1 && sampleStd(known) <= 1e-8);
}

function rewardMetrics(groups: readonly Group[]): Record<string, number> {
  const known = groups.filter(isTrainable);
  const rewards = known.flatMap((group) => [...group.rewards]).filter(isKnown);
  const qualities = known.flatMap((group) => [...group.qualities]).filter(isKnown);
  return {
    reward: mean(rewards),
    reward_std: sampleStd(rewards),
    frac_reward_zero_std: share(known, isFlat),
    ...partMetrics(groups),
    quality: mean(qualities),
    solved: share(qualities, (quality) => quality === 1),
    groups_dropped: groups.length - known.length,
  };
}

/** Mean and standard deviation of each reward function over what it could score, and how often it failed. */
function partMetrics(groups: readonly Group[]): Record<string, number> {
  const names = groups[0]?.parts.map(({ name }) => name) ?? [];
  const metrics = names.map((name, at) => {
    const parts = groups.flatMap(({ parts: all }) => all[at] ?? []);
    const values = parts.flatMap((part) => [...part.values]).filter(isKnown);
    const trouble = parts.flatMap((part) => [...part.trouble]);
    return {
      // Absent, as in TRL, where the function could score nothing.
      ...(values.length > 0 && { [`rewards/${name}/mean`]: mean(values), [`rewards/${name}/std`]: sampleStd(values) }),
      [`rewards/${name}/failures`]: trouble.filter((kind) => kind > 0).length,
      [`rewards/${name}/timeouts`]: trouble.filter((kind) => kind === 2).length,
    };
  });
  return Object.assign({}, ...metrics);
}

function completionMetrics(groups: readonly Group[]): Record<string, number> {
  const completions = turnsOf(groups).map(({ completion }) => completion);
  if (completions.length === 0) return {};
  const lengthsOf = (list: typeof completions): number[] => list.map(({ tokens }) => tokens.length);
  const lengths = lengthsOf(completions);
  const terminated = lengthsOf(completions.filter(({ finishReason }) => finishReason !== 'length'));
  // TRL reports 0 where no completion ended by itself.
  const ended = terminated.length === 0 ? [0] : terminated;
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': lowest(lengths),
    'completions/max_length': highest(lengths),
    'completions/mean_terminated_length': mean(ended),
    'completions/min_terminated_length': lowest(ended),
    'completions/max_terminated_length': highest(ended),
    'completions/clipped_ratio': share(completions, ({ finishReason }) => finishReason === 'length'),
  };
}

/** What a list of groups says by itself, whether or not they are trained on. */
export function groupMetrics(groups: readonly Group[]): Record<string, number> {
  return { ...rewardMetrics(groups), ...completionMetrics(groups) };
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
export function sorted(metrics: UpdateMetrics = {}): UpdateMetrics {
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
