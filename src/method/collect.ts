/** Collects the groups of one update: one per start of the batch, or with refilling until enough have a signal. */

import { together } from '../abort.js';
import type { Policy } from '../policy/policy.js';
import { looksAtBatch } from '../reward/named.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import type { Curriculum } from './curriculum.js';
import { type Group, isTrainable, type RewardPlan, rewardGroups, rolloutGroup } from './group.js';
import { type RolloutOptions, rolloutStart, type Start } from './rollout.js';
import type { TrainSettings } from './train-settings.js';

export interface CollectOptions {
  readonly config: TrainSettings;
  readonly curriculum: Pick<Curriculum, 'nextBatch'>;
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly plan: RewardPlan;
  readonly signal?: AbortSignal;
}

/** Whether two of the known values differ. */
function hasDifference(values: Float64Array): boolean {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.some((value) => value !== known[0]);
}

/**
 * Whether the group's advantages can be other than 0: two of its known rewards differ or, where each function is
 * normalised separately, two values of one function.
 */
export function hasSignal(group: Group, { advantage }: Pick<TrainSettings, 'advantage'>): boolean {
  if (!isTrainable(group)) return false;
  if (advantage.aggregation !== 'normalise-then-sum') return hasDifference(group.rewards);
  return group.columns.some(({ values }) => hasDifference(values));
}

/**
 * Rolls out P groups. With `refill` (DAPO's dynamic sampling, arXiv 2503.14476) groups with equal rewards do not count: it
 * draws further starts until P groups have a signal, or until it has drawn `maximumDraws` starts. Start i of an update has
 * the same random streams whenever it is drawn.
 * @throws CancelledError when the signal fires, NativeError when the engine fails.
 */
export async function collectGroups(options: CollectOptions, rng: Rng): Promise<readonly Group[]> {
  const { startsPerBatch, dynamicSampling, maximumDraws } = options.config;
  const refills = dynamicSampling === 'refill';
  const most = refills ? Math.max(startsPerBatch, maximumDraws) : startsPerBatch;
  const groups: Group[] = [];
  for (let missing = startsPerBatch; missing > 0 && groups.length < most; ) {
    const drawn = groups.map(({ start }) => start);
    const starts = options.curriculum.nextBatch(Math.min(missing, most - drawn.length), rng, drawn);
    groups.push(...(await rolloutStarts(options, starts, drawn.length, rng)));
    missing = refills ? startsPerBatch - withSignal(groups, options.config).length : 0;
  }
  return groups;
}

/** Rolls out all groups at once, so that the engine batches their requests. A failing group cancels the others. */
async function rolloutStarts(
  { config, policy, family, plan, signal: outer }: CollectOptions,
  starts: readonly Start[],
  first: number,
  rng: Rng,
): Promise<readonly Group[]> {
  const { groupSize: size, sampling } = config;
  const forEachStart = <Value>(call: (options: RolloutOptions) => Promise<Value>): Promise<Value[]> =>
    together(outer, (signal) =>
      starts.map((start, at) =>
        call({ policy, family, start, size, sampling, rng: rng.fork('rollout', first + at), signal }),
      ),
    );
  // A reward function of the whole batch waits for the last rollout; the others start with the first group.
  if (!plan.functions.some(looksAtBatch)) return forEachStart((options) => rolloutGroup({ ...options, reward: plan }));
  return rewardGroups(plan, family, await forEachStart(rolloutStart));
}

/** Selects the groups to train on; a refilled batch drops those without signal. */
export function trainedGroups(groups: readonly Group[], config: TrainSettings): readonly Group[] {
  return config.dynamicSampling === 'refill' ? withSignal(groups, config) : groups.filter(isTrainable);
}

const withSignal = (groups: readonly Group[], config: TrainSettings): readonly Group[] =>
  groups.filter((group) => hasSignal(group, config));

/** Reports how many starts a refilled batch drew, and how many groups of them have a signal. */
export function samplingMetrics(groups: readonly Group[], config: TrainSettings): Record<string, number> {
  if (config.dynamicSampling !== 'refill') return {};
  return { 'dynamic_sampling/drawn': groups.length, 'dynamic_sampling/live': withSignal(groups, config).length };
}
