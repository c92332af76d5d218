/**
 * `exit-rl/embedders`: embeds texts as vectors, for the diversity bonus or other uses.
 */
export type { CacheStatistics } from './cache.js';
export type { Embedder, EmbeddingInput } from './embedder.js';
export { LocalEmbedder, type LocalEmbedderOptions } from './local.js';
export { createNgramEmbedder } from './ngram.js';
