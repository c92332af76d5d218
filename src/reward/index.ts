/**
 * `exit-rl/rewards`: the types of reward functions, and the loader of those that a config names.
 */

export { type LoadedRewards, loadRewards, type RewardSettings } from './load-rewards.js';
export { type NamedReward, namedReward } from './named.js';
export type { Answered, BatchReward, GroupReward, Reward, RewardFunction, RewardKind } from './reward.js';
export type { RewardBatch } from './reward-batch.js';
