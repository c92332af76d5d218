/** The rewards that a caller may pass, for the checks of arguments. */
import { anyRecord, type Kind } from '../arguments.js';
import { rewardKinds } from './reward.js';

const isFunction = (value: unknown): boolean => typeof value === 'function';

function isReward(value: unknown): boolean {
  if (isFunction(value) || rewardKinds.some((kind) => kind === value)) return true;
  if (!anyRecord.fits(value)) return false;
  const { group, batch } = value as Readonly<Record<string, unknown>>;
  return isFunction(group) || isFunction(batch);
}

export const rewardArgument: Kind = {
  words: `${rewardKinds.map((kind) => `'${kind}'`).join(', ')}, a function, { group: fn } or { batch: fn }`,
  fits: isReward,
};

function isNamed(value: unknown): boolean {
  if (!anyRecord.fits(value)) return false;
  const { name, weight, range, reward } = value as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && typeof weight === 'number' && Array.isArray(range) && isReward(reward);
}

/** A list of named rewards; a bare function, or one that is not in a list, would train on nothing. */
export const namedRewards: Kind = {
  words: 'a list of named rewards: write `[namedReward(fn)]`',
  fits: Array.isArray,
  members: { words: 'a named reward: write `namedReward(fn)`', fits: isNamed },
};
