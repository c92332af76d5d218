/** Calls one reward function for a list of answers, with one retry and a time limit; a failure is a value, not a throw. */
import { RewardError, RewardTimeoutError } from '../errors.js';
import { deadline } from './deadline.js';
import {
  type Answered,
  type Awaitable,
  improvementReward,
  type Reward,
  type RewardFunction,
  type RewardKind,
  type RewardValue,
} from './reward.js';
import { rewardBatch } from './reward-batch.js';

/** One answer's reward from one function; a RewardError where the function failed. */
export type RewardResult = RewardValue | RewardError;

/** A reward function with its time limit in seconds; 0 disables the limit. */
export interface TimedReward {
  readonly reward: Reward;
  readonly timeoutSeconds: number;
}

const builtIn: Readonly<Record<RewardKind, RewardFunction>> = {
  quality: ({ quality }) => quality,
  improvement: improvementReward,
};

export const isFailure = (result: RewardResult): result is RewardError => result instanceof Error;
export const isTimeout = (result: RewardResult): boolean => RewardTimeoutError.isInstance(result);

/**
 * Returns one result per answer (of a group, or for a `BatchReward` of a batch), in the same order. A throw, NaN,
 * infinity, a wrong number of rewards or a promise that does not settle in time becomes a RewardError in place of each
 * affected reward; it is never a number.
 */
export function callReward(
  { reward, timeoutSeconds }: TimedReward,
  answered: readonly Answered[],
): Promise<readonly RewardResult[]> {
  if (typeof reward === 'object') {
    const call = (): Awaitable<ArrayLike<unknown>> =>
      'group' in reward ? reward.group(answered) : reward.batch(rewardBatch(answered));
    return withRetry(() => checkList(withDeadline(call, timeoutSeconds), answered));
  }
  const rewardOne = typeof reward === 'function' ? reward : builtIn[reward];
  return withRetry(() =>
    Promise.all(
      answered.map((one) =>
        checkOne(
          withDeadline(() => rewardOne(one), timeoutSeconds),
          one,
        ),
      ),
    ),
  );
}

/** Calls again, once, after a failure. A call that timed out is not repeated. */
async function withRetry(call: () => Promise<readonly RewardResult[]>): Promise<readonly RewardResult[]> {
  const results = await call();
  const shouldRetry = results.some(isFailure) && !results.some(isTimeout);
  return shouldRetry ? call() : results;
}

/** Any thenable counts: promises of other libraries as well. */
const isPromise = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** Rejects with a RewardTimeoutError when the promise that `call` returns does not settle within `seconds`. */
async function withDeadline<Value>(call: () => Awaitable<Value>, seconds: number): Promise<Value> {
  const value = call();
  if (!isPromise(value)) return value;
  let cancel = (): void => {};
  const timeout = new Promise<never>((_, reject) => {
    cancel = deadline(seconds, reject);
  });
  try {
    return await Promise.race([value, timeout]);
  } finally {
    cancel();
  }
}

async function checkOne(reward: Promise<unknown>, answered: Answered): Promise<RewardResult> {
  try {
    return checkReward(await reward, answered.task.id);
  } catch (error) {
    return toRewardError(error, answered.task.id);
  }
}

async function checkList(
  list: Promise<ArrayLike<unknown>>,
  answered: readonly Answered[],
): Promise<readonly RewardResult[]> {
  const taskId = answered[0]?.task.id;
  try {
    const rewards = Array.from(await list);
    if (rewards.length === answered.length)
      return rewards.map((value, at) => checkReward(value, answered[at]?.task.id));
    const message = `the reward function returned ${rewards.length} rewards for ${answered.length} rollouts`;
    return answered.map(() => new RewardError(message, { taskId, rewards: rewards.length, rollouts: answered.length }));
  } catch (error) {
    return answered.map(() => toRewardError(error, taskId));
  }
}

function checkReward(value: unknown, taskId: string | undefined): RewardResult {
  if (value === null || (typeof value === 'number' && Number.isFinite(value))) return value;
  const fields = { taskId, reward: String(value) };
  return new RewardError(`the reward function returned ${String(value)}, not a finite number`, fields);
}

function toRewardError(error: unknown, taskId: string | undefined): RewardError {
  if (RewardTimeoutError.isInstance(error)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new RewardError(`the reward function threw: ${detail}`, { taskId }, { cause: error });
}
