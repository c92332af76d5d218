/** The rollouts that share one start, with what is trained on (rewards) and what is learned about the start (score). */
import type { RewardError } from '../errors.js';
import {
  type NamedReward,
  namedReward,
  type RewardColumn,
  type RewardOutcome,
  rewardAnswers,
} from '../reward/named.js';
import { type Answered, improvementReward, type Reward } from '../reward/reward.js';
import { populationVariance } from '../stats.js';
import type { TaskFamily } from '../task/task.js';
import { type Outcome, type Rollout, type RolloutOptions, rolloutStart, type Start, withQuality } from './rollout.js';

export interface Group {
  readonly start: Start;
  readonly rollouts: readonly Rollout[];
  /** One per rollout; NaN where the rollout failed, or where no reward function could score it. */
  readonly rewards: Float64Array;
  /** One per rollout, in [0, 1]; NaN where it is not known. */
  readonly qualities: Float64Array;
  /** S: population variance of the known qualities, at most 0.25; 0 when none is known. */
  readonly score: number;
  /** The rewards of each function for the rollouts. */
  readonly parts: readonly RewardColumn[];
}

/** What is trained on: the functions, and whether their sum counts or the improvement of quality. */
export interface RewardPlan {
  readonly functions: readonly NamedReward[];
  /** `sum`: R itself. `improvement`: of quality, for improve steps. */
  readonly trained: 'sum' | 'improvement';
}

export interface GroupOptions extends RolloutOptions {
  readonly reward: Reward | RewardPlan;
}

/** One group: G rollouts of the start, their rewards, and the start's learnability score S. */
export async function rolloutGroup(options: GroupOptions): Promise<Group> {
  const [group] = await rewardGroups(rewardPlan(options.reward), options.family, [await rolloutStart(options)]);
  return group as Group;
}

/** A single reward as a plan. */
export function rewardPlan(reward: Reward | RewardPlan): RewardPlan {
  if (typeof reward === 'object' && 'functions' in reward) return reward;
  return { functions: [namedReward(reward)], trained: 'sum' };
}

/**
 * The groups of these rollouts, one list for each start: every rollout that did not fail gets its reward. A reward function
 * that fails makes its rollout fail.
 */
export async function rewardGroups(
  plan: RewardPlan,
  family: Pick<TaskFamily, 'prompt' | 'measuredBy'>,
  played: readonly (readonly Rollout[])[],
): Promise<readonly Group[]> {
  const answered = played.map((rollouts) =>
    answersOf(
      family,
      rollouts.filter((one) => !hasFailed(one)),
    ),
  );
  const { columns, outcomes } = await rewardAnswers(plan.functions, answered);
  let next = 0;
  return played.map((rollouts) => {
    const first = next;
    const finished = rollouts.map((rollout) => {
      return hasFailed(rollout)
        ? { rollout, reward: Number.NaN }
        : applyReward(plan, family, rollout, outcomes[next++]);
    });
    const own = columns.map((column) => sliceOf(column, first, next));
    return createGroup(finished, own);
  });
}

function answersOf(family: Pick<TaskFamily, 'prompt'>, rollouts: readonly Rollout[]): Answered[] {
  const start = rollouts[0]?.start;
  if (start === undefined) return [];
  const prompt = family.prompt(start.task, start.history, start.intent);
  return rollouts.map((rollout) => ({
    ...{ task: start.task, intent: start.intent, prompt, before: start.history },
    after: rollout.history,
    quality: rollout.quality,
    text: rollout.turns.at(-1)?.completion.text ?? '',
    tokens: rollout.turns.flatMap(({ completion }) => Array.from(completion.tokens)),
  }));
}

interface Finished {
  readonly rollout: Rollout;
  readonly reward: number;
}

/** The rollout with its reward, and with its quality where rewards measure it. */
function applyReward(
  { trained }: RewardPlan,
  { measuredBy }: Pick<TaskFamily, 'measuredBy'>,
  rollout: Rollout,
  outcome: RewardOutcome | undefined,
): Finished {
  if (outcome === undefined || outcome.kind === 'unscored') {
    return { rollout: { ...rollout, quality: Number.NaN, outcome: { kind: 'unscored' } }, reward: Number.NaN };
  }
  if (outcome.kind === 'failed') return { rollout: failedAtReward(rollout, outcome.error), reward: Number.NaN };
  const measured = measuredBy === 'rewards' && isReadable(rollout) ? withQuality(rollout, outcome.quality) : rollout;
  if (trained === 'sum') return { rollout: measured, reward: outcome.sum };
  const { start, history, quality } = measured;
  const reward = improvementReward({ intent: start.intent, before: start.history, after: history, quality });
  return { rollout: measured, reward };
}

/** An answer without terminator, or that could not be read, keeps quality 0 whatever it is paid. */
const isReadable = ({ outcome }: Rollout): boolean => outcome.kind === 'finished';

function sliceOf({ name, values, trouble }: RewardColumn, first: number, end: number): RewardColumn {
  return { name, values: values.subarray(first, end), trouble: trouble.subarray(first, end) };
}

function createGroup(finished: readonly Finished[], parts: readonly RewardColumn[]): Group {
  const rollouts = finished.map(({ rollout }) => rollout);
  const qualities = Float64Array.from(rollouts, ({ quality }) => quality);
  const score = learnabilityScore(qualities.filter((quality) => !Number.isNaN(quality)));
  const { start } = rollouts[0] as Rollout;
  return { start, rollouts, rewards: Float64Array.from(finished, ({ reward }) => reward), qualities, score, parts };
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
  return populationVariance(Array.from(qualities));
}

function failedAtReward(rollout: Rollout, error: RewardError): Rollout {
  const outcome: Outcome = { kind: 'failed', boundary: 'reward', detail: error.message };
  return { ...rollout, quality: Number.NaN, outcome };
}
