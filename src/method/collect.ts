/** The groups of one update: one for each start of the batch, or with refilling until enough have a signal. */

import { together } from '../abort.js';
import { InvalidRequestError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import { looksAtBatch } from '../reward/named.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import { type Group, isTrainable, type RewardPlan, rewardGroups, rolloutGroup } from './group.js';
import { type RolloutOptions, rolloutStart, type Start } from './rollout.js';
import type { MethodSettings } from './train-settings.js';

export interface CollectOptions {
  readonly config: MethodSettings;
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly plan: RewardPlan;
  readonly signal?: AbortSignal;
}

/** Whether two of the known values differ. */
function differ(values: Float64Array): boolean {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.some((value) => value !== known[0]);
}

/**
 * Whether the group's advantages can be other than 0: two of its known rewards differ or, where each function is
 * normalised separately, two values of one function.
 */
export function hasSignal(group: Group, { advantage }: Pick<MethodSettings, 'advantage'>): boolean {
  if (!isTrainable(group)) return false;
  if (advantage.aggregation !== 'normalise-then-sum') return differ(group.rewards);
  return group.columns.some(({ values }) => differ(values));
}

/**
 * How many starts an update still draws: P for its first groups, then none. With `refill` (DAPO's dynamic sampling, arXiv
 * 2503.14476) groups with equal rewards do not count: it draws further starts until P groups have a signal, or until it has
 * drawn `maximumDraws` starts.
 */
export function missingStarts(groups: readonly Group[], config: MethodSettings): number {
  const { startsPerBatch, dynamicSampling, maximumDraws } = config;
  if (dynamicSampling !== 'refill') return startsPerBatch - groups.length;
  const most = Math.max(startsPerBatch, maximumDraws);
  return Math.min(startsPerBatch - withSignal(groups, config).length, most - groups.length);
}

/**
 * Returns the starts that a curriculum drew. @throws InvalidRequestError when they are not `count`: an update would wait
 * for the others without end.
 */
export function requireStarts(starts: readonly Start[], count: number): readonly Start[] {
  if (starts.length === count) return starts;
  const reason = `nextBatch(${count}) returned ${starts.length} starts; it must return ${count}`;
  throw new InvalidRequestError('INVALID_REQUEST', `curriculum: ${reason}`, { key: 'curriculum', reason });
}

/**
 * Rolls out one group for each start, all at once, so that the engine batches their requests, with rewards and scores.
 * `first` counts the starts that the update has drawn before: start i has the same random streams whenever it is drawn.
 * A failing group cancels the others.
 * @throws CancelledError when the signal fires, NativeError when the engine fails.
 */
export async function rolloutGroups(
  { config, policy, family, plan, signal: outer }: CollectOptions,
  starts: readonly Start[],
  first: number,
  rng: Rng,
): Promise<readonly Group[]> {
  const { groupSize: size, sampling, score } = config;
  const forEachStart = <Value>(rollOut: (options: RolloutOptions) => Promise<Value>): Promise<Value[]> =>
    together(outer, (signal) =>
      starts.map((start, at) =>
        rollOut({ policy, family, start, size, sampling, rng: rng.fork('rollout', first + at), signal }),
      ),
    );
  // A reward function of the whole batch waits for the last rollout; the others start with the first group.
  if (plan.functions.some(looksAtBatch)) {
    return rewardGroups(plan, family, await forEachStart(rolloutStart), score);
  }
  return forEachStart((options) => rolloutGroup({ ...options, reward: plan, score }));
}

/** Selects the groups to train on; a refilled batch drops those without signal. */
export function trainableGroups(groups: readonly Group[], config: MethodSettings): readonly Group[] {
  return config.dynamicSampling === 'refill' ? withSignal(groups, config) : groups.filter(isTrainable);
}

const withSignal = (groups: readonly Group[], config: MethodSettings): readonly Group[] =>
  groups.filter((group) => hasSignal(group, config));

/** Reports how many starts a refilled batch drew, and how many groups of them have a signal. */
export function samplingMetrics(groups: readonly Group[], config: MethodSettings): Record<string, number> {
  if (config.dynamicSampling !== 'refill') return {};
  return { 'dynamic_sampling/drawn': groups.length, 'dynamic_sampling/live': withSignal(groups, config).length };
}
