/** Several reward functions with names and weights, and their combined outcome for each answer. */
import {
  type Fields,
  finiteNumber,
  type Kind,
  notNegative,
  requireArgument,
  requireFields,
  text,
} from '../arguments.js';
import { InvalidRequestError, type RewardError } from '../errors.js';
import { callReward, isFailure, isTimeout, type RewardResult, type TimedReward } from './call.js';
import type { Answered, Reward, RewardValue } from './reward.js';
import { rewardArgument } from './reward-kinds.js';

/** A reward function with the name of its metrics, its weight in the sum, its range and its time limit. */
export interface NamedReward extends TimedReward {
  /** Names the metrics `rewards/{name}/mean` and `rewards/{name}/std`. */
  readonly name: string;
  /** w of R = Σ w·r. */
  readonly weight: number;
  /** Smallest and largest value the function returns: quality is rescaled from this range where rewards measure it. */
  readonly range: readonly [lowest: number, highest: number];
  /**
   * Time limit in seconds for a promise that the function returns; 0 disables it. A synchronous function that never
   * returns cannot be interrupted here.
   */
  readonly timeoutSeconds: number;
  readonly reward: Reward;
}

/** One function's rewards for a list of answers. */
export interface RewardColumn {
  readonly name: string;
  /** One per answer; NaN where the function returned null or failed. */
  readonly values: Float64Array;
  /** One per answer: 0 no failure, 1 the function failed, 2 it exceeded its time limit. */
  readonly trouble: Uint8Array;
}

/** The combined result of all functions for one answer. */
export type RewardOutcome =
  /** `sum` is R, the weighted sum over the functions that rewarded the answer; `quality` is R rescaled to [0, 1]. */
  | { readonly kind: 'rewarded'; readonly sum: number; readonly quality: number }
  /** Every function returned null for the answer. */
  | { readonly kind: 'unscored' }
  | { readonly kind: 'failed'; readonly error: RewardError };

export interface RewardedAnswers {
  /** One per function. */
  readonly columns: readonly RewardColumn[];
  /** One per answer. */
  readonly outcomes: readonly RewardOutcome[];
}

/** Splits the answers as the function takes them: group by group, or all together. */
function splitFor({ reward }: NamedReward, groups: readonly (readonly Answered[])[]): (readonly Answered[])[] {
  const isGroupwise = typeof reward === 'object' && 'group' in reward;
  return (isGroupwise ? groups : [groups.flat()]).filter((list) => list.length > 0);
}

function toColumn({ name }: NamedReward, results: readonly RewardResult[]): RewardColumn {
  const values = Float64Array.from(results, (result) => (typeof result === 'number' ? result : Number.NaN));
  const trouble = Uint8Array.from(results, (result) => (isTimeout(result) ? 2 : isFailure(result) ? 1 : 0));
  return { name, values, trouble };
}

/**
 * R = Σ_k w_k r_k over the functions k that rewarded the answer (TRL's nansum over `None`), and its position between the
 * smallest and the largest sum that those functions can return: (R − Σ w lo) / (Σ w hi − Σ w lo), clamped to [0, 1];
 * 0 where both are equal.
 */
function combine(rewards: readonly NamedReward[], results: readonly RewardResult[]): RewardOutcome {
  const error = results.find(isFailure);
  if (error !== undefined) return { kind: 'failed', error };
  const rewarded = rewards.flatMap(({ weight, range: [low, high] }, at) => {
    const value = results[at] as RewardValue;
    const ends = weight < 0 ? [weight * high, weight * low] : [weight * low, weight * high];
    return value === null ? [] : [{ value: weight * value, low: ends[0] as number, high: ends[1] as number }];
  });
  if (rewarded.length === 0) return { kind: 'unscored' };
  const total = (key: 'value' | 'low' | 'high'): number => rewarded.reduce((sum, one) => sum + one[key], 0);
  const sum = total('value');
  const low = total('low');
  const high = total('high');
  const quality = high > low ? Math.min(1, Math.max(0, (sum - low) / (high - low))) : 0;
  return { kind: 'rewarded', sum, quality };
}

/** Calls every function for every answer, all concurrently. */
export async function rewardAnswers(
  rewards: readonly NamedReward[],
  groups: readonly (readonly Answered[])[],
): Promise<RewardedAnswers> {
  const results = await Promise.all(
    rewards.map(async (reward) => {
      const lists = splitFor(reward, groups).map((list) => callReward(reward, list));
      return (await Promise.all(lists)).flat();
    }),
  );
  const resultsFor = (at: number): RewardResult[] => results.map((column) => column[at] ?? null);
  return {
    columns: rewards.map((reward, at) => toColumn(reward, results[at] ?? [])),
    outcomes: groups.flat().map((_, at) => combine(rewards, resultsFor(at))),
  };
}

const defaults = { weight: 1, range: [0, 1], timeoutSeconds: 0 } as const;

const range: Kind = {
  words: 'two numbers, [lowest, highest]',
  fits: (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite),
};

const settingFields: Fields<NamedReward> = {
  name: text,
  weight: finiteNumber,
  range,
  timeoutSeconds: notNegative,
  reward: rewardArgument,
};

function requireReward(reward: unknown, settings: unknown): void {
  if (typeof reward === 'string' && typeof settings === 'function') {
    const reason = `the function comes first: write \`namedReward(fn, { name: '${reward}' })\``;
    throw new InvalidRequestError('INVALID_REQUEST', `namedReward: \`reward\`: ${reason}`, { key: 'reward', reason });
  }
  requireArgument('namedReward', { reward }, rewardArgument);
  requireFields<NamedReward>('namedReward', settings, settingFields);
}

/**
 * Gives a reward a name, a weight, a range and a time limit. Without `settings.name` it takes the function's own name, or
 * `reward` where the function has none; weight defaults to 1, range to [0, 1], and there is no time limit.
 * @throws InvalidRequestError for a reward or a setting that is unknown or of the wrong type.
 *
 * @example
 * import { namedReward } from 'exit-rl';
 * import { type Answered } from 'exit-rl/rewards';
 *
 * const isShort = ({ tokens }: Answered): number => (tokens.length <= 32 ? 1 : 0);
 * const short = namedReward(isShort, { name: 'short', weight: 0.5, timeoutSeconds: 10 });
 * console.log(short.name, short.weight, short.range); // short 0.5 [ 0, 1 ]
 */
export function namedReward(reward: Reward, settings: Partial<NamedReward> = {}): NamedReward {
  requireReward(reward, settings);
  const functionName = typeof reward === 'function' ? reward.name : typeof reward === 'string' ? reward : '';
  return { ...defaults, name: functionName || 'reward', ...settings, reward };
}

/** True when the function takes the whole batch, so that rewards wait for the last rollout. */
export function looksAtBatch({ reward }: NamedReward): boolean {
  return typeof reward === 'object' && 'batch' in reward;
}
