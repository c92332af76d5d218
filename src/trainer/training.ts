/** What training is asked for, and the rooms that one run works with. */
import type { Curriculum } from '../curriculum/curriculum.js';
import type { Group, RewardPlan } from '../group.js';
import { type Policy, trainingFile } from '../policy/policy.js';
import type { NamedReward } from '../reward/named.js';
import type { Reward } from '../reward.js';
import { createRng, type Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import { createCurriculum } from './curriculum.js';
import type { Embedder } from './embedder.js';
import type { PeriodicEvaluation } from './evaluation.js';
import type { MetricsRow } from './metrics.js';
import { openEmbedder } from './open-embedder.js';
import { planOf } from './plan.js';
import type { Run } from './run.js';
import { createSaver, type Saver } from './saver.js';
import type { TrainSettings } from './settings.js';
import { createStallGuard } from './stalled.js';
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
  const [plan, rng, refuseStalled] = [planOf(options), createRng(config.seed), createStallGuard()];
  return { ...options, curriculum, embedder, plan, progress, saver, rng, refuseStalled };
}
