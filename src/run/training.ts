/** What training is asked for, and the rooms that one run works with. */

import type { Embedder } from '../embedder/embedder.js';
import { openEmbedder } from '../embedder/open.js';
import { ConfigError, RewardError, TaskError } from '../errors.js';
import { createCurriculum } from '../method/choose-curriculum.js';
import type { Curriculum } from '../method/curriculum.js';
import { type Group, hasFailed, isTrainable, type RewardPlan, rewardPlan } from '../method/group.js';
import type { Outcome } from '../method/rollout.js';
import type { TrainSettings } from '../method/settings.js';
import { type Policy, trainingFile } from '../policy/policy.js';
import type { NamedReward } from '../reward/named.js';
import type { Reward } from '../reward/reward.js';
import { createRng, type Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import type { PeriodicEvaluation } from './evaluation.js';
import type { MetricsRow } from './metrics.js';
import type { Run } from './run.js';
import { createSaver, type Saver } from './saver.js';
import type { Progress } from './state.js';

export interface TrainOptions {
  readonly config: TrainSettings & { readonly reward: Reward };
  readonly policy: Policy;
  readonly family: TaskFamily;
  /** Goes before the config's reward: a function of one rollout, of a whole group, or of the whole batch. */
  readonly reward?: Reward;
  /** Several reward functions with names and weights; their weighted sum is trained on. */
  readonly rewards?: readonly NamedReward[];
  /** Goes before the method's own curriculum. */
  readonly curriculum?: Curriculum;
  /** Goes before the config's; the caller closes it. */
  readonly embedder?: Embedder;
  /** Where metrics, traces and checkpoints go; absent writes nothing. */
  readonly run?: Run;
  readonly evaluation?: PeriodicEvaluation;
  readonly onUpdate?: (metrics: MetricsRow) => void;
  /** Told of what was rolled out, before it is trained on. */
  readonly onGroups?: (groups: readonly Group[], update: number) => void;
  /** Ends training after the micro-batch at hand; a cancelled update leaves weights and curriculum as they were. */
  readonly signal?: AbortSignal;
}

/** The rooms of one training run, with the counters that a checkpoint holds. */
export interface Training extends TrainOptions {
  readonly curriculum: Curriculum;
  readonly embedder: Embedder;
  readonly plan: RewardPlan;
  readonly rng: Rng;
  readonly progress: Progress;
  readonly saver: Saver | undefined;
  readonly refuseStalled: (groups: readonly Group[]) => void;
}

/** Fresh counters, or those of the checkpoint to go on from. */
export async function beginTraining(options: TrainOptions): Promise<Training> {
  const { config, family, policy, run } = options;
  const curriculum = options.curriculum ?? createCurriculum(config, family);
  const progress: Progress = { update: 0, tokens: 0, nonFinite: 0 };
  if (run?.resumed) {
    const { checkpoint, state } = run.resumed;
    await policy.loadTraining(`${checkpoint}/${trainingFile}`);
    curriculum.restore(state.curriculum);
    Object.assign(progress, state.progress);
  }
  const saver =
    run &&
    createSaver({
      ...{ run, policy, settings: config.checkpoint },
      protect: () => (progress.best ? [progress.best.update] : []),
    });
  const embedder = options.embedder ?? (await openEmbedder(config.diversity, policy));
  const [plan, rng, refuseStalled] = [createRewardPlan(options), createRng(config.seed), createStallGuard()];
  return { ...options, curriculum, embedder, plan, progress, saver, rng, refuseStalled };
}

// The stall guard: a run in which no group can be trained on for several updates ends with an error.

/** Updates in a row without any group to train on, before training stops. */
const limit = 3;

type Failed = Extract<Outcome, { readonly kind: 'failed' }>;

function firstFailure(groups: readonly Group[]): Failed | undefined {
  const failed = groups.flatMap(({ rollouts }) => rollouts).find(hasFailed);
  return failed?.outcome.kind === 'failed' ? failed.outcome : undefined;
}

/** Told of the groups of each update. @throws RewardError or TaskError that says what failed first. */
export function createStallGuard(): (groups: readonly Group[]) => void {
  let inARow = 0;
  return (groups) => {
    const failure = groups.some(isTrainable) ? undefined : firstFailure(groups);
    inARow = failure === undefined ? 0 : inARow + 1;
    if (failure === undefined || inARow < limit) return;
    const { boundary, detail } = failure;
    const message = `${limit} updates in a row had no group that could be verified, so nothing was trained; the ${boundary} says: ${detail}`;
    throw boundary === 'reward' ? new RewardError(message, { detail }) : new TaskError(message, { boundary, detail });
  };
}

export interface PlanOptions {
  readonly config: { readonly reward: Reward };
  readonly family: Pick<TaskFamily, 'name' | 'measuredBy'>;
  readonly reward?: Reward;
  readonly rewards?: readonly NamedReward[];
}

/** @throws ConfigError when quality is to be measured by rewards, and they by quality. */
export function createRewardPlan({ config, family, reward, rewards = [] }: PlanOptions): RewardPlan {
  if (rewards.length > 0) {
    return { functions: rewards, trained: config.reward === 'improvement' ? 'improvement' : 'sum' };
  }
  const plan = rewardPlan(reward ?? config.reward);
  if (family.measuredBy !== 'rewards' || reward !== undefined) return plan;
  throw new ConfigError([
    { key: 'rewards', message: `${family.name} needs a reward function: it measures quality by it` },
  ]);
}
