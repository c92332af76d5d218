/** The options of training, and the parts that one run works with. */

import { abortSignal, anyRecord, callback, type Fields, required } from '../arguments.js';
import type { Embedder } from '../embedder/embedder.js';
import { openEmbedder } from '../embedder/open.js';
import { RewardError, TaskError } from '../errors.js';
import { createCurriculum } from '../method/choose-curriculum.js';
import type { Curriculum } from '../method/curriculum.js';
import { createRewardPlan, type Group, hasFailed, isTrainable, type RewardPlan } from '../method/group.js';
import type { Boundary, Outcome } from '../method/outcome.js';
import { completeConfig, curriculumPart, embedderPart, policyPart } from '../method/part-kinds.js';
import type { Rollout } from '../method/rollout.js';
import type { TrainSettings } from '../method/train-settings.js';
import { type Policy, trainingFile } from '../policy/policy.js';
import type { NamedReward } from '../reward/named.js';
import type { Reward } from '../reward/reward.js';
import { namedRewards, rewardArgument } from '../reward/reward-kinds.js';
import { createRng, type Rng } from '../rng.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import type { MetricsRow } from './metrics.js';
import type { PeriodicEvaluation } from './periodic-evaluation.js';
import type { Run } from './run.js';
import { createSaver, type Saver } from './saver.js';
import type { Progress } from './state.js';

/** The config, policy and task family of a training run, with callbacks and parts that override the config's. */
export interface TrainOptions {
  readonly config: TrainSettings & { readonly reward: Reward };
  readonly policy: Policy;
  readonly family: TaskFamily;
  /** Overrides the config's reward: a function of one answer, of a whole group, or of the whole batch. */
  readonly reward?: Reward;
  /** Reward functions with names and weights, which override `reward`; training takes their weighted sum. */
  readonly rewards?: readonly NamedReward[];
  /** Overrides the curriculum of the method. */
  readonly curriculum?: Curriculum;
  /** Overrides the config's embedder; the caller closes it. */
  readonly embedder?: Embedder;
  /** Receives metrics, traces and checkpoints; without it nothing is written. */
  readonly run?: Run;
  readonly evaluation?: PeriodicEvaluation;
  readonly onUpdate?: (metrics: MetricsRow) => void;
  /** Receives the groups of an update before the policy trains on them. */
  readonly onGroups?: (groups: readonly Group[], update: number) => void;
  /** Ends training after the current microbatch; a cancelled update leaves weights and curriculum unchanged. */
  readonly signal?: AbortSignal;
}

/** The options that override the config's parts or observe training; `trainRun` takes them as well. */
export type Overrides = Pick<
  TrainOptions,
  'reward' | 'rewards' | 'curriculum' | 'embedder' | 'onUpdate' | 'onGroups' | 'signal'
>;

export const overrideFields: Fields<Overrides> = {
  reward: rewardArgument,
  rewards: namedRewards,
  curriculum: curriculumPart,
  embedder: embedderPart,
  onUpdate: callback,
  onGroups: callback,
  signal: abortSignal,
};

export const trainFields: Fields<TrainOptions> = {
  ...overrideFields,
  config: required(completeConfig),
  policy: required(policyPart),
  family: required(anyRecord),
  run: anyRecord,
  evaluation: anyRecord,
};

/** The parts of one training run, with the counters that a checkpoint stores. */
export interface Training extends TrainOptions {
  readonly curriculum: Curriculum;
  readonly embedder: Embedder;
  readonly plan: RewardPlan;
  readonly rng: Rng;
  readonly progress: Progress;
  readonly saver: Saver | undefined;
  readonly refuseStalled: (groups: readonly Group[]) => void;
}

/** Creates the parts of a run and, for a resumed run, restores policy, curriculum and counters from its checkpoint. */
export async function beginTraining(options: TrainOptions): Promise<Training> {
  const { config, policy, run } = options;
  const family = requireFamily(options.family);
  const curriculum = options.curriculum ?? createCurriculum(config, family);
  const progress: Progress = { update: 0, trained: 0, tokens: 0, nonFinite: 0 };
  if (run?.resumed) {
    const { checkpoint, state } = run.resumed;
    await policy.loadTraining(`${checkpoint}/${trainingFile}`);
    curriculum.restore(state.curriculum);
    // A checkpoint of an earlier version counts no changes of the weights.
    Object.assign(progress, { trained: state.progress.update }, state.progress);
  }
  const saver =
    run &&
    createSaver({
      run,
      policy,
      settings: config.checkpoint,
      protect: () => (progress.best ? [progress.best.update] : []),
    });
  const embedder = options.embedder ?? (await openEmbedder(config.diversity, policy));
  return {
    ...options,
    curriculum,
    embedder,
    plan: createRewardPlan(options),
    progress,
    saver,
    rng: createRng(config.seed),
    refuseStalled: createStallGuard(),
  };
}

// The stall guard ends a run with an error when its first update had only failures, or several in a row had no trainable
// group.

/** Consecutive updates without a trainable group after which training stops. */
const stallLimit = 3;

type Failed = Extract<Outcome, { readonly kind: 'failed' }>;

const rolloutsOf = (groups: readonly Group[]): readonly Rollout[] => groups.flatMap(({ rollouts }) => rollouts);

function firstFailedRollout(groups: readonly Group[]): Failed | undefined {
  const failed = rolloutsOf(groups).find(hasFailed);
  return failed?.outcome.kind === 'failed' ? failed.outcome : undefined;
}

/** Whether the part that failed also worked. The task is not asked about an overlong answer. */
const hasWorked = (boundary: Boundary, groups: readonly Group[]): boolean =>
  rolloutsOf(groups).some(({ outcome: { kind } }) => kind !== 'failed' && (kind !== 'overlong' || boundary !== 'task'));

function stallError({ boundary, detail }: Failed, when: string): Error {
  const message = `${when}; nothing was trained; the ${boundary} failed: ${detail}`;
  return boundary === 'reward' ? new RewardError(message, { detail }) : new TaskError(message, { boundary, detail });
}

/** Creates a function that checks the groups of each update. @throws RewardError or TaskError with the first failure. */
export function createStallGuard(): (groups: readonly Group[]) => void {
  let isFirst = true;
  let inARow = 0;
  return (groups) => {
    const failure = firstFailedRollout(groups);
    // A function that never worked is wrong, rather than its service out of reach.
    if (failure && isFirst && !hasWorked(failure.boundary, groups)) {
      throw stallError(failure, 'in the first update no answer could be used');
    }
    isFirst = false;
    inARow = failure === undefined || groups.some(isTrainable) ? 0 : inARow + 1;
    if (failure && inARow >= stallLimit)
      throw stallError(failure, `in ${stallLimit} consecutive updates every group failed`);
  };
}
