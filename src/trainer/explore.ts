/** One iteration of Algorithm 1 of ExIt (arXiv 2509.04575), line by line. */
import { performance } from 'node:perf_hooks';
import { startDistances } from '../curriculum/distances.js';
import { NonFiniteError } from '../errors.js';
import type { Group } from '../group.js';
import { promptText } from '../message.js';
import type { UpdateMetrics } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import { advantagesOf } from './advantages.js';
import { assembleBatch, type ScoredGroup } from './batch.js';
import { collectGroups, samplingMetrics, trainedGroups } from './collect.js';
import { measureDiversity, withDiversity } from './embedder.js';
import { methods } from './methods.js';
import { countTokens, diversityMetrics, type MetricsRow, summariseUpdate } from './metrics.js';
import { miniBatchSteps } from './mini-batches.js';
import { recordTraces } from './record.js';
import { withoutSilent } from './skip.js';
import type { Training } from './training.js';
import { entropyState, updateSettings } from './update-settings.js';

/** Updates in a row that may be refused for a number that is not finite, before training stops. */
const nonFiniteLimit = 3;

/** An update that was made, and its line of metrics but for an evaluation. */
export interface Explored {
  readonly row: MetricsRow;
  readonly groups: readonly Group[];
}

/** Draws starts, rolls groups out, computes advantages, updates the policy, and lets the curriculum learn. */
export async function explore(training: Training, update: number): Promise<Explored> {
  const { config, curriculum } = training;
  const rng = training.rng.fork('update', update);
  const began = performance.now();
  const groups = await collectGroups(training, rng);
  training.onGroups?.(groups, update);
  const rolled = performance.now();
  const { scored, factors } = await scoreGroups(training, trainedGroups(groups, config));
  const trained = config.dynamicSampling === 'skip' ? withoutSilent(scored, config) : scored;
  const engine = await updatePolicy(training, trained, update, rng);
  await blendIfDue(training, update);
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
    return metrics;
  } catch (error) {
    // The engine left the weights untouched: one bad batch may pass, three in a row may not.
    if (!NonFiniteError.isInstance(error) || ++progress.nonFinite >= nonFiniteLimit) throw error;
    return undefined;
  }
}

/** θ_ref ← (1 − α) θ_ref + α θ every M updates, those among them that had nothing to train on. */
async function blendIfDue({ config, policy }: Training, update: number): Promise<void> {
  const { blendEvery, alpha } = config.reference;
  if (config.objective.kl.beta > 0 && blendEvery > 0 && update % blendEvery === 0) await policy.blendReference(alpha);
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
