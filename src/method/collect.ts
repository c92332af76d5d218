/** The groups of one update: as many starts as a batch has, or with refilling as many as it takes. */

import { together } from '../abort.js';
import type { Policy } from '../policy/policy.js';
import { looksAtBatch } from '../reward/named.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import type { Curriculum } from './curriculum.js';
import { type Group, isTrainable, playGroup, type RewardPlan, rewardGroups, rolloutGroup } from './group.js';
import type { Start } from './rollout.js';
import type { TrainSettings } from './settings.js';

export interface CollectOptions {
  readonly config: TrainSettings;
  readonly curriculum: Pick<Curriculum, 'next'>;
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly plan: RewardPlan;
  readonly signal?: AbortSignal;
}

function differ(values: Float64Array): boolean {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.some((value) => value !== known[0]);
}

/**
 * Whether the group's advantages can be other than 0: at least two of its known rewards differ, or of what one function
 * said where functions are normalised one by one.
 */
export function isLive(group: Group, { advantage }: Pick<TrainSettings, 'advantage'>): boolean {
  if (!isTrainable(group)) return false;
  const sumsLast = advantage.aggregation === 'normalise-then-sum';
  return sumsLast ? group.parts.some(({ values }) => differ(values)) : differ(group.rewards);
}

/**
 * P groups. With `refill` (DAPO's dynamic sampling, arXiv 2503.14476) groups whose rewards are all equal do not count:
 * further starts are drawn until P groups are live, or `maximumDraws` starts were drawn. Start i of an update has the
 * same random streams whenever it is drawn.
 */
export async function collectGroups(options: CollectOptions, rng: Rng): Promise<readonly Group[]> {
  const { startsPerBatch, dynamicSampling, maximumDraws } = options.config;
  const refills = dynamicSampling === 'refill';
  const most = refills ? Math.max(startsPerBatch, maximumDraws) : startsPerBatch;
  const groups: Group[] = [];
  for (let missing = startsPerBatch; missing > 0 && groups.length < most; ) {
    const first = groups.length;
    const count = Math.min(missing, most - first);
    const starts = Array.from({ length: count }, (_, at) => options.curriculum.next(rng.fork('start', first + at)));
    groups.push(...(await rolloutStarts(options, starts, first, rng)));
    missing = refills ? startsPerBatch - liveOf(groups, options.config).length : 0;
  }
  return groups;
}

/** All groups at once: the engine batches their requests. When one fails, the others are cancelled. */
async function rolloutStarts(
  { config, policy, family, plan, signal: outer }: CollectOptions,
  starts: readonly Start[],
  first: number,
  rng: Rng,
): Promise<readonly Group[]> {
  const { groupSize: size, sampling } = config;
  const each = <Value>(play: (options: Parameters<typeof playGroup>[0]) => Promise<Value>): Promise<Value[]> =>
    together(outer, (signal) =>
      starts.map((start, at) =>
        play({ policy, family, start, size, sampling, rng: rng.fork('rollout', first + at), signal }),
      ),
    );
  // A function of the whole batch has to wait for the last rollout; the others begin with the first group.
  if (!plan.functions.some(looksAtBatch)) return each((options) => rolloutGroup({ ...options, reward: plan }));
  return rewardGroups(plan, family, await each(playGroup));
}

/** The groups that are trained on. A refilled batch leaves out those that carry no signal. */
export function trainedGroups(groups: readonly Group[], config: TrainSettings): readonly Group[] {
  return config.dynamicSampling === 'refill' ? liveOf(groups, config) : groups.filter(isTrainable);
}

const liveOf = (groups: readonly Group[], config: TrainSettings): readonly Group[] =>
  groups.filter((group) => isLive(group, config));

/** How many starts a refilled batch took. */
export function samplingMetrics(groups: readonly Group[], config: TrainSettings): Record<string, number> {
  if (config.dynamicSampling !== 'refill') return {};
  return { 'dynamic_sampling/drawn': groups.length, 'dynamic_sampling/live': liveOf(groups, config).length };
}
