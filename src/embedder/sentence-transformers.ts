/** Creates an embedder from a sentence-transformers folder. */
import type { Embedder } from './embedder.js';
import type { LocalEmbedderOptions } from './local-embedder.js';

/** The folder of an embedding model, and how to load it. */
export interface ModelEmbedderSettings extends LocalEmbedderOptions {
  /** Folder of a sentence-transformers model or of a plain encoder. */
  readonly model: string;
}

/**
 * Loads a text embedding model.
 * @throws ModelFolderError for an unreadable folder, DeviceError for an absent device, InvalidRequestError for wrong
 * options.
 */
export async function createModelEmbedder({ model, ...options }: ModelEmbedderSettings): Promise<Embedder> {
  const { LocalEmbedder } = await import('./local-embedder.js');
  const local = await LocalEmbedder.load(model, options);
  return {
    dimension: local.dimension,
    embed: (inputs, signal) =>
      local.embed(
        inputs.map(({ text }) => text),
        signal,
      ),
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
