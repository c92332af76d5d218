/** Calls one reward function for a list of answers, with one retry and a time limit; a failure is a value, not a throw. */
import { RewardError, RewardTimeoutError } from '../errors.js';
import { describeValue, thrownMessage } from '../shown.js';
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
import { signatureHint } from './signature.js';

/** One answer's reward from one function; a RewardError where the function failed. */
export type RewardResult = RewardValue | RewardError;

/** A reward function with its time limit in seconds; 0 disables the limit. */
export interface TimedReward {
  /** Names the function in messages. */
  readonly name?: string;
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
 * Returns one result per answer (of a group, or for a `BatchReward` of a batch), in the same order. True and false are 1 and
 * 0, null and undefined no reward, as in TRL. A throw, NaN, infinity, another type, a wrong number of rewards or a promise that
 * does not settle in time becomes a RewardError in place of each affected reward; it is never a number.
 */
export function callReward(timed: TimedReward, answered: readonly Answered[]): Promise<readonly RewardResult[]> {
  const { reward, timeoutSeconds } = timed;
  const subject = timed.name === undefined ? 'the reward function' : `the reward function \`${timed.name}\``;
  if (typeof reward === 'object') {
    const call = (): Awaitable<unknown> =>
      'group' in reward ? reward.group(answered) : reward.batch(rewardBatch(answered));
    const hint = signatureHint('group' in reward ? reward.group : reward.batch);
    return withRetry(() => checkList(withDeadline(call, timeoutSeconds), answered, { subject, hint }));
  }
  const rewardOne = typeof reward === 'function' ? reward : builtIn[reward];
  const about = { subject, hint: signatureHint(rewardOne) };
  return withRetry(() =>
    Promise.all(
      answered.map((one) =>
        checkOne(
          withDeadline(() => rewardOne(one), timeoutSeconds),
          one,
          about,
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

/** The function that a message is about, and how it is to be written where its parameters are those of TRL. */
interface About {
  readonly subject: string;
  readonly hint: string;
}

/** The place of a reward in messages and fields. */
interface Place {
  readonly taskId: string | undefined;
  /** `for completion 3 of 16`; empty for a function of one answer. */
  readonly words: string;
}

async function checkOne(reward: Promise<unknown>, { task: { id } }: Answered, about: About): Promise<RewardResult> {
  try {
    return checkReward(await reward, { taskId: id, words: '' }, about);
  } catch (error) {
    return toRewardError(error, id, about);
  }
}

async function checkList(
  pending: Promise<unknown>,
  answered: readonly Answered[],
  about: About,
): Promise<readonly RewardResult[]> {
  const taskId = answered[0]?.task.id;
  const count = answered.length;
  try {
    const list = await pending;
    const fault = listFault(list, count);
    if (fault === undefined) {
      return Array.from(list as ArrayLike<unknown>, (value, at) =>
        checkReward(value, { taskId: answered[at]?.task.id, words: ` for completion ${at + 1} of ${count}` }, about),
      );
    }
    const message = `${about.subject} returned ${fault}${about.hint}`;
    return answered.map(() => new RewardError(message, { taskId, rollouts: count }));
  } catch (error) {
    return answered.map(() => toRewardError(error, taskId, about));
  }
}

const isList = (value: unknown): value is ArrayLike<unknown> => Array.isArray(value) || ArrayBuffer.isView(value);

/** Describes a result that is no list of `count` rewards. */
function listFault(list: unknown, count: number): string | undefined {
  if (!isList(list)) return `${describeValue(list)}, not a list with one number for each of the ${count} completions`;
  return list.length === count ? undefined : `${list.length} rewards for ${count} completions`;
}

function checkReward(value: unknown, { taskId, words }: Place, { subject, hint }: About): RewardResult {
  // Absent is null, as Python's None: no reward for this answer.
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const task = taskId === undefined ? '' : ` (task ${taskId})`;
  const message = `${subject} returned ${describeValue(value)}${words}${task}, not ${wanted(value)}${hint}`;
  return new RewardError(message, { taskId, reward: String(value) });
}

/** A reward that is wanted in place of `value`. */
function wanted(value: unknown): string {
  if (typeof value === 'bigint') return 'a number: write Number(…)';
  if (typeof value === 'string') return 'a number: write Number(…), or return the number itself';
  if (typeof value === 'number') return 'a finite number: return null where there is no reward';
  return 'a number';
}

function toRewardError(error: unknown, taskId: string | undefined, { subject, hint }: About): RewardError {
  if (RewardTimeoutError.isInstance(error)) return error;
  const message = `${subject} threw: ${thrownMessage(error)}${hint}`;
  return new RewardError(message, { taskId }, { cause: error });
}
