/** What is trained on: the caller's rewards before the config's. */
import { ConfigError } from '../errors.js';
import { type RewardPlan, rewardPlan } from '../group.js';
import type { NamedReward } from '../reward/named.js';
import type { Reward } from '../reward.js';
import type { TaskFamily } from '../task/task.js';

export interface PlanOptions {
  readonly config: { readonly reward: Reward };
  readonly family: Pick<TaskFamily, 'name' | 'measuredBy'>;
  readonly reward?: Reward;
  readonly rewards?: readonly NamedReward[];
}

/** @throws ConfigError when quality is to be measured by rewards, and they by quality. */
export function planOf({ config, family, reward, rewards = [] }: PlanOptions): RewardPlan {
  if (rewards.length > 0) {
    return { functions: rewards, trained: config.reward === 'improvement' ? 'improvement' : 'sum' };
  }
  const plan = rewardPlan(reward ?? config.reward);
  if (family.measuredBy !== 'rewards' || reward !== undefined) return plan;
  throw new ConfigError([
    { key: 'rewards', message: `${family.name} needs a reward function: it measures quality by it` },
  ]);
}
