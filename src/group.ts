/** The rollouts that share one start, with what is trained on (rewards) and what is learned about the start (score). */
import { type Reward, rewardGroup } from './reward.js';
import { type Outcome, type Rollout, type RolloutOptions, rolloutStart, type Start } from './rollout.js';

export interface Group {
  readonly start: Start;
  readonly rollouts: readonly Rollout[];
  /** One per rollout; NaN where the rollout failed. */
  readonly rewards: Float64Array;
  /** One per rollout, in [0, 1]; NaN where the rollout failed. */
  readonly qualities: Float64Array;
  /** S: population variance of the known qualities, at most 0.25; 0 when none is known. */
  readonly score: number;
}

export interface GroupOptions extends RolloutOptions {
  readonly reward: Reward;
}

/** One group: G rollouts of the start, their rewards, and the start's learnability score S. */
export async function rolloutGroup(options: GroupOptions): Promise<Group> {
  const played = await rolloutStart(options);
  const { rollouts, rewards } = await rewarded(options.reward, played);
  const qualities = Float64Array.from(rollouts, ({ quality }) => quality);
  const score = learnabilityScore(qualities.filter((quality) => !Number.isNaN(quality)));
  return { start: options.start, rollouts, rewards, qualities, score };
}

/**
 * Whether the group may be trained on. A group in which any member failed is dropped as a whole: a baseline over the
 * members that happened to survive would be biased towards answers that do not break the task or the reward.
 */
export function isTrainable(group: Group): boolean {
  return !group.rollouts.some(hasFailed);
}

/** True when infrastructure failed, so that nothing is known about the answer. */
export function hasFailed(rollout: Rollout): boolean {
  return rollout.outcome.kind === 'failed';
}

/** S = (1/G) Σ (q_i − q̄)²: the population variance of quality; 0 for a group of 1 and for none. */
export function learnabilityScore(qualities: ArrayLike<number>): number {
  const values = Array.from(qualities);
  if (values.length === 0) return 0;
  const mean = values.reduce((sum, quality) => sum + quality, 0) / values.length;
  return values.reduce((sum, quality) => sum + (quality - mean) ** 2, 0) / values.length;
}

/** Rewards of the rollouts that did not fail; a failing reward function, asked twice, fails its rollout. */
async function rewarded(reward: Reward, rollouts: readonly Rollout[]): Promise<Pick<Group, 'rollouts' | 'rewards'>> {
  const known = rollouts.filter((rollout) => !hasFailed(rollout));
  const answered = known.map(({ start, history, quality }) => {
    return { task: start.task, intent: start.intent, before: start.history, after: history, quality };
  });
  const first = await rewardGroup(reward, answered);
  const second = first.every(isReward) ? first : await rewardGroup(reward, answered);
  const byRollout = new Map(known.map((rollout, at) => [rollout, second[at]]));
  const judged = rollouts.map((rollout) => {
    const given = byRollout.get(rollout);
    return isReward(given) ? { rollout, reward: given } : { rollout: failedAtReward(rollout, given), reward: NaN };
  });
  return {
    rollouts: judged.map(({ rollout }) => rollout),
    rewards: Float64Array.from(judged, (one) => one.reward),
  };
}

function isReward(value: unknown): value is number {
  return typeof value === 'number';
}

function failedAtReward(rollout: Rollout, error: Error | undefined): Rollout {
  if (error === undefined) return rollout;
  const outcome: Outcome = { kind: 'failed', boundary: 'reward', detail: error.message };
  return { ...rollout, quality: NaN, outcome };
}
