/** Several reward functions with names and weights, and what they say of each answer together. */
import { type RewardError, RewardTimeoutError } from '../errors.js';
import { type Answered, type Reward, type RewardValue, rewardGroup } from './reward.js';

export interface NamedReward {
  /** Of the metrics `rewards/{name}/mean` and `/std`. */
  readonly name: string;
  readonly weight: number;
  /** Smallest and largest value the function gives: what quality is rescaled from, where rewards measure it. */
  readonly range: readonly [lowest: number, highest: number];
  /** How long a promise of it may take; 0 waits for ever. A function that never returns cannot be interrupted here. */
  readonly timeoutSeconds: number;
  readonly reward: Reward;
}

/** What one function said of a list of answers: NaN where it could not score, or failed. */
export interface RewardPart {
  readonly name: string;
  readonly values: Float64Array;
  /** Per answer why it has no value: 0 it has one, or the function could not score it; 1 failed; 2 took too long. */
  readonly trouble: Uint8Array;
}

/** What all functions said of one answer. */
export type Judged =
  /** R, the weighted sum over the functions that could score the answer, and R rescaled to [0, 1]. */
  | { readonly kind: 'rewarded'; readonly sum: number; readonly share: number }
  /** No function could score it. */
  | { readonly kind: 'unscored' }
  | { readonly kind: 'failed'; readonly error: RewardError };

export interface Judgement {
  readonly parts: readonly RewardPart[];
  /** One per answer. */
  readonly judged: readonly Judged[];
}

type Column = readonly (RewardValue | RewardError)[];

const isError = (value: RewardValue | RewardError): value is RewardError => value instanceof Error;
const isTimeout = (value: RewardValue | RewardError): boolean => RewardTimeoutError.isInstance(value);

/** A function that fails is asked once more about the same answers; one that was too slow is not waited for again. */
async function askTwice({ reward, timeoutSeconds }: NamedReward, answered: readonly Answered[]): Promise<Column> {
  const first = await rewardGroup(reward, answered, timeoutSeconds);
  if (!first.some(isError) || first.some(isTimeout)) return first;
  return rewardGroup(reward, answered, timeoutSeconds);
}

/** Groups side by side for a function that looks at groups, all answers together for the others. */
async function columnOf(reward: NamedReward, groups: readonly (readonly Answered[])[]): Promise<Column> {
  const isGroupwise = typeof reward.reward === 'object' && 'group' in reward.reward;
  const lists = isGroupwise ? groups : [groups.flat()];
  return (await Promise.all(lists.map((list) => (list.length === 0 ? [] : askTwice(reward, list))))).flat();
}

function partOf({ name }: NamedReward, column: Column): RewardPart {
  const values = Float64Array.from(column, (value) => (typeof value === 'number' ? value : Number.NaN));
  const trouble = Uint8Array.from(column, (value) => (isTimeout(value) ? 2 : isError(value) ? 1 : 0));
  return { name, values, trouble };
}

/**
 * R = Σ_k w_k r_k over the functions k that scored the answer (TRL's nansum over `None`), and its place between the least
 * and the most that those functions can give: (R − Σ w lo) / (Σ w hi − Σ w lo), clamped to [0, 1].
 */
function judgedOf(rewards: readonly NamedReward[], values: readonly (RewardValue | RewardError)[]): Judged {
  const error = values.find(isError);
  if (error !== undefined) return { kind: 'failed', error };
  const scored = rewards.flatMap(({ weight, range: [low, high] }, at) => {
    const value = values[at] as RewardValue;
    const ends = weight < 0 ? [weight * high, weight * low] : [weight * low, weight * high];
    return value === null ? [] : [{ value: weight * value, low: ends[0] as number, high: ends[1] as number }];
  });
  if (scored.length === 0) return { kind: 'unscored' };
  const total = (key: 'value' | 'low' | 'high'): number => scored.reduce((sum, one) => sum + one[key], 0);
  const [sum, low, high] = [total('value'), total('low'), total('high')];
  const share = high > low ? Math.min(1, Math.max(0, (sum - low) / (high - low))) : 0;
  return { kind: 'rewarded', sum, share };
}

/** Asks every function about every answer, side by side. */
export async function judgeAnswers(
  rewards: readonly NamedReward[],
  groups: readonly (readonly Answered[])[],
): Promise<Judgement> {
  const columns = await Promise.all(rewards.map((reward) => columnOf(reward, groups)));
  return {
    parts: rewards.map((reward, at) => partOf(reward, columns[at] ?? [])),
    judged: groups.flat().map((_, at) =>
      judgedOf(
        rewards,
        columns.map((column) => column[at] ?? null),
      ),
    ),
  };
}

const defaults = { weight: 1, range: [0, 1], timeoutSeconds: 0 } as const;

/** A reward under a name; what `train` is given without a name is called `reward`. */
export function namedReward(reward: Reward, settings: Partial<NamedReward> = {}): NamedReward {
  const own = typeof reward === 'function' ? reward.name : typeof reward === 'string' ? reward : '';
  return { ...defaults, name: own || 'reward', ...settings, reward };
}

/** True when a function looks at the whole batch, so that rewards wait for the last rollout. */
export function looksAtBatch({ reward }: NamedReward): boolean {
  return typeof reward === 'object' && 'batch' in reward;
}
