/** Metrics of groups, under TRL's names where TRL has one. */
import { type Group, isTrainable } from '../method/group.js';
import type { RolloutTurn } from '../method/rollout.js';
import type { UpdateMetrics } from '../policy/policy.js';
import { highest, lowest, mean, sampleStd, share, sum } from '../stats.js';

function listTurns(groups: readonly Group[]): readonly RolloutTurn[] {
  return groups.flatMap(({ rollouts }) => rollouts.flatMap(({ turns }) => turns));
}

/** Counts the tokens of the batch; like TRL it counts a prompt once per completion. */
export function countTokens(groups: readonly Group[]): number {
  return sum(listTurns(groups).map(({ promptTokens, completion }) => promptTokens.length + completion.tokens.length));
}

const isKnown = (value: number): boolean => !Number.isNaN(value);

/** TRL's test for equal rewards: a standard deviation of at most 1e-8, or a group of one. */
function hasEqualRewards({ rewards }: Pick<Group, 'rewards'>): boolean {
  const known = [...rewards].filter(isKnown);
  return rewards.length === 1 || (known.length > 1 && sampleStd(known) <= 1e-8);
}

/**
 * Reports rewards and qualities of the trainable groups, and how many groups are dropped. Means are absent where nothing is
 * known: 0 would be a value.
 */
export function rewardMetrics(groups: readonly Group[]): Record<string, number> {
  const known = groups.filter(isTrainable);
  const rewards = known.flatMap((group) => [...group.rewards]).filter(isKnown);
  const qualities = known.flatMap((group) => [...group.qualities]).filter(isKnown);
  return {
    ...(rewards.length > 0 && { reward: mean(rewards), reward_std: sampleStd(rewards) }),
    frac_reward_zero_std: share(known, hasEqualRewards),
    ...columnMetrics(groups),
    ...(qualities.length > 0 && { quality: mean(qualities), solved: share(qualities, (quality) => quality === 1) }),
    groups_dropped: groups.length - known.length,
  };
}

/** Reports mean and standard deviation of each reward function over the answers that it rewarded, and its failures. */
function columnMetrics(groups: readonly Group[]): Record<string, number> {
  const names = groups[0]?.columns.map(({ name }) => name) ?? [];
  const metrics = names.map((name, at) => {
    const ofFunction = groups.flatMap(({ columns }) => columns[at] ?? []);
    const values = ofFunction.flatMap((column) => [...column.values]).filter(isKnown);
    const trouble = ofFunction.flatMap((column) => [...column.trouble]);
    return {
      // Absent, as in TRL, where the function rewarded no answer.
      ...(values.length > 0 && { [`rewards/${name}/mean`]: mean(values), [`rewards/${name}/std`]: sampleStd(values) }),
      [`rewards/${name}/failures`]: trouble.filter((kind) => kind > 0).length,
      [`rewards/${name}/timeouts`]: trouble.filter((kind) => kind === 2).length,
    };
  });
  return Object.assign({}, ...metrics);
}

/** Reports lengths in tokens of all completions, and of those with a terminator; empty without completions. */
export function completionMetrics(groups: readonly Group[]): Record<string, number> {
  const completions = listTurns(groups).map(({ completion }) => completion);
  if (completions.length === 0) return {};
  const countAll = (list: typeof completions): number[] => list.map(({ tokens }) => tokens.length);
  const lengths = countAll(completions);
  const terminated = countAll(completions.filter(({ finishReason }) => finishReason !== 'length'));
  // TRL reports 0 where no completion has a terminator.
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

/** Reports metrics of rewards and completions. */
export function groupMetrics(groups: readonly Group[]): Record<string, number> {
  return { ...rewardMetrics(groups), ...completionMetrics(groups) };
}

/** Sorts the engine's metrics by name, so that a resumed run writes the same bytes as an uninterrupted one. */
export function sortMetrics(metrics: UpdateMetrics = {}): UpdateMetrics {
  return Object.fromEntries(Object.entries(metrics).sort(([left], [right]) => (left < right ? -1 : 1)));
}
