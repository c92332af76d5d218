/** The diversity bonus d of every rollout of a group, and the distances between the starts of a batch. */
import { defaultClamp } from '../config/schema.js';
import type { Embedder, EmbeddingInput } from '../embedder/embedder.js';
import { lastIterate } from '../history.js';
import { promptText } from '../message.js';
import { highest, mean, share } from '../stats.js';
import { callPrompt } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import type { Group } from './group.js';
import type { Rollout } from './rollout.js';

export interface DiversitySettings {
  /** Upper bound of d: the printed numerator is not shifted by the minimum, so the formula does not bound d. */
  readonly clamp: number;
}

/** A range of distances up to this counts as rounding error. */
const zeroRange = 1e-6;

/**
 * Computes the diversity factor of each member of a group, as printed in the paper (arXiv 2509.04575):
 * d_i = ‖e_i − c‖ / (max_j ‖e_j − c‖ − min_j ‖e_j − c‖), c = the centroid of the group's embeddings.
 * A zero range gives d_i = 1, which leaves the advantage unchanged; d_i is clamped from above.
 * `embeddings` holds one row per member, all of one length. The engine computes the same in float32; this is its reference.
 *
 * @example
 * import { plainDiversity } from 'exit-rl/method';
 *
 * console.log(plainDiversity([[0], [1], [5]], { clamp: 2 })); // Float64Array(3) [ 1, 0.5, 1.5 ]
 */
export function plainDiversity(
  embeddings: readonly ArrayLike<number>[],
  { clamp }: DiversitySettings = { clamp: defaultClamp },
): Float64Array {
  const centroid = computeCentroid(embeddings);
  const distances = Float64Array.from(embeddings, (embedding) => distance(embedding, centroid));
  const range = Math.max(...distances) - Math.min(...distances);
  if (!(range > zeroRange)) return distances.fill(1);
  return distances.map((fromCentroid) => Math.min(fromCentroid / range, clamp));
}

/**
 * Multiplies each advantage by its diversity factor: A_i ← A_i · d_i (the diversity bonus of arXiv 2509.04575). Returns one
 * number per rollout.
 * @throws RangeError when the lists differ in length.
 *
 * @example
 * import { applyDiversity, groupAdvantages, plainDiversity } from 'exit-rl/method';
 *
 * const advantages = groupAdvantages([1, 0, 0]);
 * console.log(applyDiversity(advantages, plainDiversity([[0], [1], [5]])).length); // 3
 */
export function applyDiversity(advantages: ArrayLike<number>, diversity: ArrayLike<number>): Float64Array {
  if (advantages.length !== diversity.length) {
    throw new RangeError(`applyDiversity: ${advantages.length} advantages, ${diversity.length} factors`);
  }
  return Float64Array.from(advantages, (advantage, i) => advantage * (diversity[i] as number));
}

/** Computes ‖a − b‖ of two vectors of one length. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(squares);
}

/** Splits a row-major matrix into views of its rows. */
export function splitRows(flat: Float32Array, dimension: number): Float32Array[] {
  return Array.from({ length: flat.length / dimension }, (_, row) =>
    flat.subarray(row * dimension, (row + 1) * dimension),
  );
}

function computeCentroid(embeddings: readonly ArrayLike<number>[]): Float64Array {
  const centroid = new Float64Array(embeddings[0]?.length ?? 0);
  for (const embedding of embeddings) {
    for (let i = 0; i < centroid.length; i++) centroid[i] = (centroid[i] as number) + (embedding[i] as number);
  }
  return centroid.map((sum) => sum / embeddings.length);
}

/** Joins the current iterates of the turns of the rollout. */
function answerText({ history, turns }: Rollout): string {
  const first = history.turns.length - turns.length;
  return history.turns.map((_, turn) => (turn < first ? '' : (lastIterate(history, turn)?.text ?? ''))).join('\n');
}

function toEmbeddingInput(rollout: Rollout): EmbeddingInput {
  const turns = rollout.turns.map(({ promptTokens, completion }) => ({ promptTokens, tokens: completion.tokens }));
  return { text: answerText(rollout), turns };
}

/** Converts the prompt of a group's start; the embedder reads its tokens as a completion of the first one. */
function toStartInput(family: Pick<TaskFamily, 'prompt'>, { start, rollouts }: Group): EmbeddingInput {
  const text = promptText(callPrompt(family, start.task, start.history, start.intent));
  const prompt = rollouts[0]?.turns[0]?.promptTokens;
  if (prompt === undefined || prompt.length < 2) return { text, turns: [] };
  return { text, turns: [{ promptTokens: prompt.subarray(0, 1), tokens: prompt.subarray(1) }] };
}

/**
 * Computes d of every rollout in the engine, one array per group; `plainDiversity` is the reference.
 * @throws CancelledError when the signal fires.
 */
export async function measureDiversity(
  groups: readonly Group[],
  embedder: Embedder,
  clamp: number,
  signal?: AbortSignal,
): Promise<readonly Float64Array[]> {
  if (groups.length === 0) return [];
  const offsets = new Uint32Array(groups.length + 1);
  groups.forEach(({ rollouts }, at) => {
    offsets[at + 1] = (offsets[at] ?? 0) + rollouts.length;
  });
  const inputs = groups.flatMap(({ rollouts }) => rollouts.map(toEmbeddingInput));
  const embeddings = await embedder.embed(inputs, signal);
  const { crossing, native } = await import('../native.js');
  const factors = await crossing(() => native().diversity(embeddings, Math.max(1, embedder.dimension), offsets, clamp));
  return groups.map((_, at) => Float64Array.from(factors.subarray(offsets[at], offsets[at + 1])));
}

/** The numbers of one group: A before the bonus, and d. */
export interface BonusOfGroup {
  readonly plain?: ArrayLike<number>;
  readonly factors?: ArrayLike<number>;
}

/**
 * Reports the effect of the bonus over a batch: mean and maximum of d, the share of rollouts with d at the clamp, the mean
 * of A·d (that of A is 0), and the mean of d over better and over worse answers than their group's mean, each where there
 * are some. Reports nothing for a method without the bonus.
 */
export function diversityMetrics(groups: readonly BonusOfGroup[], clamp: number): Record<string, number> {
  const members = groups.flatMap(({ plain = [], factors = [] }) =>
    Array.from(factors, (d, at) => ({ d, advantage: plain[at] ?? 0 })),
  );
  if (members.length === 0) return {};
  const values = members.map(({ d }) => d);
  const better = members.filter(({ advantage }) => advantage > 0);
  const worse = members.filter(({ advantage }) => advantage < 0);
  // The engine clamps in float32.
  const bound = Math.fround(clamp);
  return {
    'diversity/mean': mean(values),
    'diversity/max': highest(values),
    'diversity/clamped_share': share(values, (d) => d >= bound),
    'diversity/advantage_mean': mean(members.map(({ d, advantage }) => d * advantage)),
    ...(better.length > 0 && { 'diversity/mean_better': mean(better.map(({ d }) => d)) }),
    ...(worse.length > 0 && { 'diversity/mean_worse': mean(worse.map(({ d }) => d)) }),
  };
}

// Distances between the starts of a batch: the paper's measure of task-space coverage.

/** Measures the distances between the starts of these groups with the embedder of the run. */
export async function measureStartDistances(
  groups: readonly Group[],
  family: Pick<TaskFamily, 'prompt'>,
  embedder: Embedder,
): Promise<StartDistances> {
  const vectors = await embedder.embed(groups.map((group) => toStartInput(family, group)));
  return startDistances(vectors, embedder.dimension);
}

export interface StartDistances {
  readonly 'curriculum/pairwise_l2': number;
  readonly 'curriculum/pairwise_cosine': number;
}

/**
 * Computes mean ‖a − b‖ and mean 1 − cos(a, b) over all pairs of a batch's embedded starts (row-major
 * [starts, dimension]); 0 for fewer than two starts. A zero vector counts as orthogonal to every other vector, and as
 * equal to another zero vector.
 */
export function startDistances(embeddings: Float32Array, dimension: number): StartDistances {
  const rows = splitRows(embeddings, dimension);
  const pairs = rows.flatMap((row, i) => rows.slice(i + 1).map((other) => [row, other] as const));
  return {
    'curriculum/pairwise_l2': mean(pairs.map(([a, b]) => distance(a, b))),
    'curriculum/pairwise_cosine': mean(pairs.map(([a, b]) => cosineDistance(a, b))),
  };
}

function cosineDistance(a: Float32Array, b: Float32Array): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  if (lengths > 0) return 1 - dot(a, b) / lengths;
  return distance(a, b) === 0 ? 0 : 1;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
