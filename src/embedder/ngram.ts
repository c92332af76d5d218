/** Hashed n-grams as an embedder: no model, computed beside the JavaScript thread. */
import type { Embedder } from './embedder.js';

/** Which n-grams are counted, and in how many places. */
export interface NgramSettings {
  readonly dimension: number;
  readonly unit: 'word' | 'character';
  readonly minimumLength: number;
  readonly maximumLength: number;
}

/**
 * The engine's embedder of hashed n-grams: vectors of `dimension` float32, without a model.
 *
 * @example
 * import { createNgramEmbedder } from 'exit-rl/embedders';
 *
 * const embedder = await createNgramEmbedder({ dimension: 256, unit: 'word', minimumLength: 1, maximumLength: 2 });
 * const vectors = await embedder.embed([{ text: 'to be' }, { text: 'or not to be' }]);
 * console.log(vectors.length / embedder.dimension);
 */
export async function createNgramEmbedder(settings: NgramSettings): Promise<Embedder> {
  const { crossing, native } = await import('../native.js');
  const { dimension, unit, minimumLength, maximumLength } = settings;
  const options = { unit, minimum: minimumLength, maximum: maximumLength, dimension };
  return {
    dimension,
    embed: (inputs) =>
      crossing(() =>
        native().embedNgrams(
          inputs.map(({ text }) => text),
          options,
        ),
      ),
  };
}
