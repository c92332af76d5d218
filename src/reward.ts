/** What is trained on, from what the verifier measured. */
import { RewardError } from './errors.js';
import type { History, Intent } from './history.js';
import { lastIterate } from './history.js';
import type { Task } from './task/task.js';

/** One answered start, as a reward function sees it. */
export interface Answered<Data = unknown> {
  readonly task: Task<Data>;
  readonly intent: Intent;
  /** The start's history; empty for an attempt at a base task. */
  readonly before: History;
  /** The history at the end of the episode; its last iterates are the answers. */
  readonly after: History;
  /** Quality of the whole episode in [0, 1]. */
  readonly quality: number;
}

type Awaitable<Value> = Value | Promise<Value>;

/** `quality`: the episode's quality, whatever the intent. `improvement`: for improve steps the share of the possible gain. */
export type RewardKind = 'quality' | 'improvement';

/** The reward of one rollout. */
export type RewardFunction = (answered: Answered) => Awaitable<number>;

/** The rewards of a whole group at once, one number per rollout in the same order. */
export interface GroupReward {
  readonly group: (answered: readonly Answered[]) => Awaitable<ArrayLike<number>>;
}

export type Reward = RewardKind | RewardFunction | GroupReward;

export const rewardKinds = ['quality', 'improvement'] as const satisfies readonly RewardKind[];

/**
 * The rewards of a group, one entry per answered start. A throw, NaN, infinity or a wrong number of rewards becomes a
 * RewardError in the place of each reward that it spoils; it is never a number.
 */
export async function rewardGroup(
  reward: Reward,
  answered: readonly Answered[],
): Promise<readonly (number | RewardError)[]> {
  if (typeof reward === 'object') return rewardTogether(reward, answered);
  const rewardOne = typeof reward === 'function' ? reward : builtIn[reward];
  return Promise.all(answered.map((one) => rewardAlone(rewardOne, one)));
}

/**
 * r = max(0, δ/δ_max) with δ = q_k − q_{k−1} and δ_max = 1 − q_{k−1}, measured at the rewritten turn.
 * Attempts and diverge steps earn their quality q. Where nothing is left to gain (δ_max = 0) the reward is q_k as
 * well: it pays for keeping a right answer.
 */
export function improvementReward({ intent, before, after, quality }: Answered): number {
  if (intent !== 'improve') return quality;
  const turn = before.turns.length - 1;
  const previous = lastIterate(before, turn)?.quality ?? 0;
  const current = lastIterate(after, turn)?.quality ?? 0;
  return previous >= 1 ? current : Math.max(0, (current - previous) / (1 - previous));
}

const builtIn: Readonly<Record<RewardKind, RewardFunction>> = {
  quality: ({ quality }) => quality,
  improvement: improvementReward,
};

async function rewardAlone(reward: RewardFunction, answered: Answered): Promise<number | RewardError> {
  try {
    return finiteReward(await reward(answered), answered.task.id);
  } catch (error) {
    return rewardFailure(error, answered.task.id);
  }
}

async function rewardTogether(
  reward: GroupReward,
  answered: readonly Answered[],
): Promise<readonly (number | RewardError)[]> {
  const taskId = answered[0]?.task.id;
  try {
    const rewards = Array.from(await reward.group(answered));
    if (rewards.length === answered.length) return rewards.map((value) => finiteReward(value, taskId));
    const message = `the reward function returned ${rewards.length} rewards for ${answered.length} rollouts`;
    return answered.map(() => new RewardError(message, { taskId, rewards: rewards.length, rollouts: answered.length }));
  } catch (error) {
    return answered.map(() => rewardFailure(error, taskId));
  }
}

function finiteReward(value: unknown, taskId: string | undefined): number | RewardError {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const fields = { taskId, reward: String(value) };
  return new RewardError(`the reward function returned ${String(value)}, not a finite number`, fields);
}

function rewardFailure(error: unknown, taskId: string | undefined): RewardError {
  const detail = error instanceof Error ? error.message : String(error);
  return new RewardError(`the reward function threw: ${detail}`, { taskId }, { cause: error });
}
