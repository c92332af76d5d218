/**
 * `exit-rl/embedders`: embeds texts as vectors, for the diversity bonus or other uses.
 */

export type { Embedder, EmbeddingInput } from './embedder.js';
export { LocalEmbedder, type LocalEmbedderOptions } from './local-embedder.js';
export { createNgramEmbedder } from './ngram.js';
export type { CacheStatistics } from './vector-cache.js';
