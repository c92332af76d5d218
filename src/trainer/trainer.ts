/**
 * The training loop, Algorithm 1 of ExIt (arXiv 2509.04575) line by line: draw starts, roll groups out, compute
 * advantages, update the policy, let the curriculum learn. Every method runs this loop; only its settings differ.
 */
import { performance } from 'node:perf_hooks';
import type { Curriculum } from '../curriculum/curriculum.js';
import { startDistances } from '../curriculum/distances.js';
import { NonFiniteError } from '../errors.js';
import type { Group, RewardPlan } from '../group.js';
import { promptText } from '../message.js';
import { type Policy, trainingFile, type UpdateMetrics } from '../policy/policy.js';
import type { NamedReward } from '../reward/named.js';
import type { Reward } from '../reward.js';
import { createRng, type Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import { advantagesOf } from './advantages.js';
import { assembleBatch, type ScoredGroup } from './batch.js';
import { type BestState, isExhausted } from './best.js';
import { collectGroups, samplingMetrics, trainedGroups } from './collect.js';
import { beginUpdates, conclude, stateOf, unlessCancelled } from './conclude.js';
import { createCurriculum } from './curriculum.js';
import { type Embedder, measureDiversity, withDiversity } from './embedder.js';
import type { PeriodicEvaluation } from './evaluation.js';
import { methods } from './methods.js';
import { countTokens, diversityMetrics, type MetricsRow, summariseUpdate } from './metrics.js';
import { miniBatchSteps } from './mini-batches.js';
import { openEmbedder } from './open-embedder.js';
import { planOf } from './plan.js';
import { recordTraces } from './record.js';
import type { Run } from './run.js';
import { createSaver, type Saver } from './saver.js';
import type { TrainSettings } from './settings.js';
import { withoutSilent } from './skip.js';
import { createStallGuard } from './stalled.js';
import type { Progress } from './state.js';
import { entropyState, updateSettings } from './update-settings.js';

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

export interface TrainResult {
  /** Finished updates, those of a resumed run included. */
  readonly updates: number;
  /** True when the signal ended the evaluation after the last update, which a resumed run makes up for. */
  readonly unevaluated: boolean;
  /** False when the signal ended training early; true as well when evaluations had stopped getting better. */
  readonly finished: boolean;
  /** The best evaluation; its checkpoint, `checkpoint-{update}`, is kept. Absent without `best.metric`. */
  readonly best?: BestState;
  /** Metrics of the last update; absent when there was none. */
  readonly metrics?: MetricsRow;
  /** The last checkpoint; absent without a run folder, or when nothing was trained. */
  readonly checkpoint?: string;
}

/** The rooms of one training run, with the counters that a checkpoint holds. */
interface Training extends TrainOptions {
  readonly curriculum: Curriculum;
  readonly embedder: Embedder;
  readonly plan: RewardPlan;
  readonly rng: Rng;
  readonly progress: Progress;
  readonly saver: Saver | undefined;
  readonly refuseStalled: (groups: readonly Group[]) => void;
}

/** Updates in a row that may be refused for a number that is not finite, before training stops. */
const nonFiniteLimit = 3;

/** Trains until `config.updates` updates are made, or the signal asks to stop. */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const training = await begin(options);
  const { progress, saver } = training;
  try {
    const metrics = await makeUpdates(training);
    if (progress.update > 0) await saver?.save(stateOf(training));
    const checkpoint = await saver?.finish();
    const { update: updates, best } = progress;
    const [finished, unevaluated] = [isOver(training), progress.unevaluated !== undefined];
    return {
      updates,
      finished,
      unevaluated,
      ...(metrics && { metrics }),
      ...(checkpoint && { checkpoint }),
      ...(best && { best }),
    };
  } catch (error) {
    // The folder is about to be unlocked: what is being written is finished first, and is a good checkpoint.
    await saver?.finish().catch(() => undefined);
    throw error;
  } finally {
    if (options.embedder === undefined) await training.embedder.close?.();
  }
}

/** The metrics of the last update; undefined when there was none. */
async function makeUpdates(training: Training): Promise<MetricsRow | undefined> {
  const { config, progress, signal, saver } = training;
  let metrics = await beginUpdates(training);
  while (!isOver(training) && !signal?.aborted) {
    const explored = await unlessCancelled(training, () => explore(training, progress.update + 1));
    if (explored === undefined) break;
    const row = await conclude(training, explored.row);
    if (row === undefined) break;
    training.refuseStalled(explored.groups);
    metrics = row;
    saver?.check();
    const isBest = progress.best?.update === progress.update;
    if (isBest || isDue(progress.update, config.checkpoint.every)) await saver?.save(stateOf(training));
  }
  return metrics;
}

/** All updates are made, or evaluations have stopped getting better. */
const isOver = ({ config, progress }: Training): boolean =>
  progress.unevaluated === undefined && (progress.update >= config.updates || isExhausted(config.best, progress.best));

const isDue = (update: number, every: number): boolean => every > 0 && update % every === 0;

/** Fresh counters, or those of the checkpoint to go on from. */
async function begin(options: TrainOptions): Promise<Training> {
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

/** An update that was made, and its line of metrics but for an evaluation. */
interface Explored {
  readonly row: MetricsRow;
  readonly groups: readonly Group[];
}

/** One iteration of Algorithm 1. */
async function explore(training: Training, update: number): Promise<Explored> {
  const { config, curriculum } = training;
  const rng = training.rng.fork('update', update);
  const began = performance.now();
  const groups = await collectGroups(training, rng);
  training.onGroups?.(groups, update);
  const rolled = performance.now();
  const { scored, factors } = await scoreGroups(training, trainedGroups(groups, config));
  const trained = config.dynamicSampling === 'skip' ? withoutSilent(scored, config) : scored;
  const engine = await updatePolicy(training, trained, update, rng);
  const updated = performance.now();
  groups.forEach((group, at) => {
    curriculum.observe(group, rng.fork('observe', at));
  });
  training.progress.update = update;
  training.progress.tokens += countTokens(groups);
  const rooms = { ...samplingMetrics(groups, config), ...(await measureRooms(training, groups, factors)) };
  const durations = {
    rolloutSeconds: (rolled - began) / 1000,
    updateSeconds: (updated - rolled) / 1000,
    totalSeconds: (performance.now() - began) / 1000,
  };
  const { learningRate } = updateSettings(config, update);
  const row = summariseUpdate({
    update,
    groups,
    engine,
    learningRate,
    tokens: training.progress.tokens,
    durations,
    rooms,
  });
  await recordTraces(training, update, scored, factors);
  return { row, groups };
}

/** Advantages of every group, times the diversity of its answers where the method asks for it. */
async function scoreGroups(training: Training, groups: readonly Group[]) {
  const { config, embedder, plan } = training;
  const advantages = advantagesOf(groups, plan, config.advantage);
  const scored = groups.map((group, at) => ({ group, advantages: advantages[at] as Float64Array }));
  if (!methods[config.method].diversityBonus) return { scored, factors: [] };
  const factors = await measureDiversity(groups, embedder, config.diversity.clamp, training.signal);
  return { scored: withDiversity(scored, factors), factors };
}

/** Updates the policy; undefined when there was nothing to train on or a number was not finite. */
async function updatePolicy(
  training: Training,
  scored: readonly ScoredGroup[],
  update: number,
  rng: Rng,
): Promise<UpdateMetrics | undefined> {
  const { config, policy, progress, signal } = training;
  if (scored.length === 0) return undefined;
  try {
    const sizes = scored.map(({ group }) => group.rollouts.length);
    const steps = miniBatchSteps(sizes, config.objective, rng.fork('mini-batches'));
    const batch = assembleBatch(scored, config.overlongFilter, steps);
    const metrics = await policy.update(batch, updateSettings(config, update, progress.entropy), signal);
    Object.assign(progress, entropyState(metrics));
    progress.nonFinite = 0;
    if (config.objective.beta > 0 && isDue(update, config.reference.blendEvery)) {
      await policy.blendReference(config.reference.alpha);
    }
    return metrics;
  } catch (error) {
    // The engine left the weights untouched: one bad batch may pass, three in a row may not.
    if (!NonFiniteError.isInstance(error) || ++progress.nonFinite >= nonFiniteLimit) throw error;
    return undefined;
  }
}

/** Metrics that the rooms keep themselves, and how far apart the batch's starts lie. */
async function measureRooms(
  training: Training,
  groups: readonly Group[],
  factors: readonly Float64Array[],
): Promise<Record<string, number>> {
  const { curriculum, embedder, family } = training;
  const texts = groups.map(({ start: { task, history, intent } }) => promptText(family.prompt(task, history, intent)));
  const vectors = await (embedder.embedStarts ? embedder.embedStarts(groups) : embedder.embed(texts));
  const distances = startDistances(vectors, embedder.dimension);
  return { ...curriculum.metrics(), ...distances, ...diversityMetrics(factors), ...embedder.metrics?.() };
}
