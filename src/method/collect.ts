/** The groups of one update: as many starts as a batch has, or with refilling as many as it takes. */

import { together } from '../abort.js';
import type { Policy } from '../policy/policy.js';
import { looksAtBatch } from '../reward/named.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import type { Curriculum } from './curriculum.js';
import { type Group, isTrainable, type RewardPlan, rewardGroups, rolloutGroup } from './group.js';
import { type RolloutOptions, rolloutStart, type Start } from './rollout.js';
import type { TrainSettings } from './settings.js';

export interface CollectOptions {
  readonly config: TrainSettings;
  readonly curriculum: Pick<Curriculum, 'nextBatch'>;
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
 * Whether the group's advantages can be other than 0: at least two of its known rewards differ, or the values of
 * one function where functions are normalised one by one.
 */
export function hasSignal(group: Group, { advantage }: Pick<TrainSettings, 'advantage'>): boolean {
  if (!isTrainable(group)) return false;
  const sumsLast = advantage.aggregation === 'normalise-then-sum';
  return sumsLast ? group.columns.some(({ values }) => differ(values)) : differ(group.rewards);
}

/**
 * P groups. With `refill` (DAPO's dynamic sampling, arXiv 2503.14476) groups whose rewards are all equal do not count:
 * further starts are drawn until P groups have a signal, or `maximumDraws` starts were drawn. Start i of an update has the
 * same random streams whenever it is drawn.
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

/** All groups at once: the engine batches their requests. When one fails, the others are cancelled. */
async function rolloutStarts(
  { config, policy, family, plan, signal: outer }: CollectOptions,
  starts: readonly Start[],
  first: number,
  rng: Rng,
): Promise<readonly Group[]> {
  const { groupSize: size, sampling } = config;
  const each = <Value>(play: (options: RolloutOptions) => Promise<Value>): Promise<Value[]> =>
    together(outer, (signal) =>
      starts.map((start, at) =>
        play({ policy, family, start, size, sampling, rng: rng.fork('rollout', first + at), signal }),
      ),
    );
  // A function of the whole batch has to wait for the last rollout; the others begin with the first group.
  if (!plan.functions.some(looksAtBatch)) return each((options) => rolloutGroup({ ...options, reward: plan }));
  return rewardGroups(plan, family, await each(rolloutStart));
}

/** The groups that are trained on. A refilled batch leaves out those without signal. */
export function trainedGroups(groups: readonly Group[], config: TrainSettings): readonly Group[] {
  return config.dynamicSampling === 'refill' ? withSignal(groups, config) : groups.filter(isTrainable);
}

const withSignal = (groups: readonly Group[], config: TrainSettings): readonly Group[] =>
  groups.filter((group) => hasSignal(group, config));

/** How many starts a refilled batch took. */
export function samplingMetrics(groups: readonly Group[], config: TrainSettings): Record<string, number> {
  if (config.dynamicSampling !== 'refill') return {};
  return { 'dynamic_sampling/drawn': groups.length, 'dynamic_sampling/live': withSignal(groups, config).length };
}
