/** Texts as vectors and the spread of a group's vectors: hashed n-grams, or a model's embeddings. */

import { lastIterate } from '../history.js';
import type { ScoredGroup } from '../method/batch.js';
import { applyDiversity } from '../method/diversity.js';
import type { Group } from '../method/group.js';
import type { ModelEmbedderSettings, NgramSettings } from '../method/settings.js';

export interface Embedder {
  readonly dimension: number;
  /** Row-major [texts, dimension]. */
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array>;
  /** One row a rollout, group after group, where more than the answer's text counts. */
  embedRollouts?(groups: readonly Group[]): Promise<Float32Array>;
  /** One row a group's start, for the same reason. */
  embedStarts?(groups: readonly Group[]): Promise<Float32Array>;
  /** d of every row; group g is the rows groupOffsets[g] .. groupOffsets[g + 1]. */
  diversity(embeddings: Float32Array, groupOffsets: Uint32Array, clamp: number): Promise<Float32Array>;
  /** Metrics `perf/…`: a resumed run begins with an empty cache, so they are no part of what repeats. */
  metrics?(): Readonly<Record<string, number>>;
  close?(): Promise<void>;
}

/** The engine's own embedder: hashed n-grams, computed beside the JavaScript thread. */
export async function createNgramEmbedder(settings: NgramSettings): Promise<Embedder> {
  const { crossing, native } = await import('../native.js');
  const { dimension, unit, minimumLength, maximumLength } = settings;
  const options = { unit, minimum: minimumLength, maximum: maximumLength, dimension };
  return {
    dimension,
    embed: (texts) => crossing(() => native().embedNgrams([...texts], options)),
    diversity: (embeddings, groupOffsets, clamp) =>
      crossing(() => native().diversity(embeddings, dimension, groupOffsets, clamp)),
  };
}

/** A sentence-transformers folder. @throws ModelFolderError, DeviceError, InvalidRequestError. */
export async function createModelEmbedder(settings: ModelEmbedderSettings): Promise<Embedder> {
  const { crossing, native } = await import('../native.js');
  const { LocalEmbedder } = await import('./local.js');
  const { model, ...options } = settings;
  const local = await LocalEmbedder.load(model, options);
  const { dimension } = local;
  return {
    dimension,
    embed: (texts, signal) => local.embed(texts, signal),
    diversity: (embeddings, groupOffsets, clamp) =>
      crossing(() => native().diversity(embeddings, dimension, groupOffsets, clamp)),
    metrics: () => {
      const { hits, misses, size } = local.cacheStatistics();
      return {
        'perf/embedding_cache_hit_rate': hits + misses === 0 ? 0 : hits / (hits + misses),
        'perf/embedding_cache_size': size,
      };
    },
    close: () => local.close(),
  };
}

/** What a rollout answered: the current iterate of every turn it played. */
function answerOf({ rollouts }: Group): string[] {
  return rollouts.map(({ history, turns }) => {
    const first = history.turns.length - turns.length;
    return history.turns.map((_, turn) => (turn < first ? '' : (lastIterate(history, turn)?.text ?? ''))).join('\n');
  });
}

/** d of every rollout, one array per group. */
export async function measureDiversity(
  groups: readonly Group[],
  embedder: Embedder,
  clamp: number,
  signal?: AbortSignal,
): Promise<readonly Float64Array[]> {
  if (groups.length === 0) return [];
  const offsets = Uint32Array.from([0, ...groups.map(({ rollouts }) => rollouts.length)]);
  for (let at = 1; at < offsets.length; at++) offsets[at] = (offsets[at] ?? 0) + (offsets[at - 1] ?? 0);
  const embeddings = embedder.embedRollouts
    ? await embedder.embedRollouts(groups)
    : await embedder.embed(groups.flatMap(answerOf), signal);
  const factors = await embedder.diversity(embeddings, offsets, clamp);
  return groups.map((_, at) => Float64Array.from(factors.subarray(offsets[at], offsets[at + 1])));
}

/** A_i ← A_i · d_i in every group. */
export function withDiversity(scored: readonly ScoredGroup[], factors: readonly Float64Array[]): ScoredGroup[] {
  return scored.map(({ group, advantages }, at) => {
    const factor = factors[at];
    return { group, advantages: factor === undefined ? advantages : applyDiversity(advantages, factor) };
  });
}
