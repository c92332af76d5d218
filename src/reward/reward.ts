/** Rewards: the number that training maximises, from the verifier's quality or from the user's reward functions. */
import type { History, Intent } from '../history.js';
import { lastIterate } from '../history.js';
import type { Prompt } from '../message.js';
import type { Task } from '../task/task.js';
import type { RewardBatch } from './reward-batch.js';

/** One answered start, as a reward function receives it. */
export interface Answered<Data = unknown> {
  readonly task: Task<Data>;
  readonly intent: Intent;
  /** The prompt that the policy answered. */
  readonly prompt: Prompt;
  /** The start's history; empty for an attempt at a base task. */
  readonly before: History;
  /** The history at the end of the episode; its last iterates are the answers. */
  readonly after: History;
  /** The last answer. */
  readonly text: string;
  /** Ids of all generated tokens, turn after turn, end tokens included. */
  readonly tokens: readonly number[];
  /** Quality of the whole episode in [0, 1]. */
  readonly quality: number;
}

export type Awaitable<Value> = Value | Promise<Value>;

/** A reward; `null` where the function has no reward for the answer, which leaves it out of the sum. */
export type RewardValue = number | null;

/**
 * `quality`: the episode's quality, whatever the intent. `improvement`: the quality, but for improve steps the fraction
 * of the possible gain that was achieved.
 */
export type RewardKind = 'quality' | 'improvement';

/** The values that a function may return: true and false are 1 and 0, undefined is null, as in TRL. */
export type RewardReturn = RewardValue | boolean | undefined;

/** Returns the reward of one rollout. */
export type RewardFunction = (answered: Answered) => Awaitable<RewardReturn>;

/** Rewards a whole group at once: one value per rollout, in the same order. */
export interface GroupReward {
  readonly group: (answered: readonly Answered[]) => Awaitable<ArrayLike<RewardReturn>>;
}

/** Rewards all rollouts of an update at once, as TRL calls its reward functions: lists in, a list out. */
export interface BatchReward {
  readonly batch: (batch: RewardBatch) => Awaitable<ArrayLike<RewardReturn>>;
}

/** The reward that training maximises: a built-in kind, or a function of one rollout, of a group, or of the whole batch. */
export type Reward = RewardKind | RewardFunction | GroupReward | BatchReward;

export const rewardKinds = ['quality', 'improvement'] as const satisfies readonly RewardKind[];

/**
 * r = max(0, δ/δ_max) with δ = q_k − q_{k−1} and δ_max = 1 − q_{k−1}, measured at the rewritten turn.
 * Attempts and diverge steps earn their quality q. Where no gain is possible (δ_max = 0) the reward is q_k as well, so
 * that keeping a right answer pays.
 */
export function improvementReward({
  intent,
  before,
  after,
  quality,
}: Pick<Answered, 'intent' | 'before' | 'after' | 'quality'>): number {
  if (intent !== 'improve') return quality;
  const turn = before.turns.length - 1;
  const previous = lastIterate(before, turn)?.quality ?? 0;
  const current = lastIterate(after, turn)?.quality ?? 0;
  return previous >= 1 ? current : Math.max(0, (current - previous) / (1 - previous));
}
