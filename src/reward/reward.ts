/** What is trained on, from what the verifier measured, or from reward functions of the user's. */
import { RewardError, RewardTimeoutError } from '../errors.js';
import type { History, Intent } from '../history.js';
import { lastIterate } from '../history.js';
import type { Prompt } from '../message.js';
import type { Task } from '../task/task.js';
import { type RewardBatch, rewardBatch } from './batch.js';
import { deadline } from './deadline.js';

/** One answered start, as a reward function sees it. */
export interface Answered<Data = unknown> {
  readonly task: Task<Data>;
  readonly intent: Intent;
  /** What the policy saw. */
  readonly prompt: Prompt;
  /** The start's history; empty for an attempt at a base task. */
  readonly before: History;
  /** The history at the end of the episode; its last iterates are the answers. */
  readonly after: History;
  /** The last answer. */
  readonly text: string;
  /** Ids of all that was generated, turn after turn, end tokens included. */
  readonly tokens: readonly number[];
  /** Quality of the whole episode in [0, 1]. */
  readonly quality: number;
}

type Awaitable<Value> = Value | Promise<Value>;

/** A reward; `null` where the function cannot score the answer, which leaves it out of the sum. */
export type RewardValue = number | null;

/** `quality`: the episode's quality, whatever the intent. `improvement`: for improve steps the share of the possible gain. */
export type RewardKind = 'quality' | 'improvement';

/** The reward of one rollout. */
export type RewardFunction = (answered: Answered) => Awaitable<RewardValue>;

/** The rewards of a whole group at once, one per rollout in the same order. */
export interface GroupReward {
  readonly group: (answered: readonly Answered[]) => Awaitable<ArrayLike<RewardValue>>;
}

/** The rewards of all rollouts of an update at once, as TRL asks for them: lists in, a list out. */
export interface BatchReward {
  readonly batch: (batch: RewardBatch) => Awaitable<ArrayLike<RewardValue>>;
}

export type Reward = RewardKind | RewardFunction | GroupReward | BatchReward;

export const rewardKinds = ['quality', 'improvement'] as const satisfies readonly RewardKind[];

/**
 * The rewards of a list of answers (a group, or for a `BatchReward` a batch), one entry each. A throw, NaN, infinity, a
 * wrong number of rewards or a promise that does not settle in time becomes a RewardError in the place of each reward
 * that it spoils; it is never a number.
 */
export async function rewardGroup(
  reward: Reward,
  answered: readonly Answered[],
  timeoutSeconds = 0,
): Promise<readonly (RewardValue | RewardError)[]> {
  if (typeof reward === 'object') {
    const ask = (): Awaitable<ArrayLike<RewardValue>> =>
      'group' in reward ? reward.group(answered) : reward.batch(rewardBatch(answered));
    return rewardTogether(() => inTime(ask(), timeoutSeconds), answered);
  }
  const rewardOne = typeof reward === 'function' ? reward : builtIn[reward];
  return Promise.all(answered.map((one) => rewardAlone(() => inTime(rewardOne(one), timeoutSeconds), one)));
}

/**
 * r = max(0, δ/δ_max) with δ = q_k − q_{k−1} and δ_max = 1 − q_{k−1}, measured at the rewritten turn.
 * Attempts and diverge steps earn their quality q. Where nothing is left to gain (δ_max = 0) the reward is q_k as
 * well: it pays for keeping a right answer.
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

const builtIn: Readonly<Record<RewardKind, RewardFunction>> = {
  quality: ({ quality }) => quality,
  improvement: improvementReward,
};

/** Promises of other libraries as well. */
const isPromise = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** The value, or a RewardTimeoutError when it is not there in time; 0 seconds waits for ever. */
async function inTime<Value>(value: Awaitable<Value>, seconds: number): Promise<Value> {
  if (!isPromise(value)) return value;
  let callOff = (): void => {};
  const late = new Promise<never>((_, reject) => {
    callOff = deadline(seconds, reject);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    callOff();
  }
}

async function rewardAlone(ask: () => Promise<unknown>, answered: Answered): Promise<RewardValue | RewardError> {
  try {
    return finiteReward(await ask(), answered.task.id);
  } catch (error) {
    return rewardFailure(error, answered.task.id);
  }
}

async function rewardTogether(
  ask: () => Promise<ArrayLike<unknown>>,
  answered: readonly Answered[],
): Promise<readonly (RewardValue | RewardError)[]> {
  const taskId = answered[0]?.task.id;
  try {
    const rewards = Array.from(await ask());
    if (rewards.length === answered.length)
      return rewards.map((value, at) => finiteReward(value, answered[at]?.task.id));
    const message = `the reward function returned ${rewards.length} rewards for ${answered.length} rollouts`;
    return answered.map(() => new RewardError(message, { taskId, rewards: rewards.length, rollouts: answered.length }));
  } catch (error) {
    return answered.map(() => rewardFailure(error, taskId));
  }
}

function finiteReward(value: unknown, taskId: string | undefined): RewardValue | RewardError {
  if (value === null || (typeof value === 'number' && Number.isFinite(value))) return value;
  const fields = { taskId, reward: String(value) };
  return new RewardError(`the reward function returned ${String(value)}, not a finite number`, fields);
}

function rewardFailure(error: unknown, taskId: string | undefined): RewardError {
  if (RewardTimeoutError.isInstance(error)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new RewardError(`the reward function threw: ${detail}`, { taskId }, { cause: error });
}
