/** An embedder of hashed n-grams, which needs no model; the engine computes it off the JavaScript thread. */
import { type Fields, oneOf, positiveNumber, required, requireFields } from '../arguments.js';
import type { Embedder } from './embedder.js';

/** The n-grams to count, and the number of buckets that they are hashed into. */
export interface NgramSettings {
  readonly dimension: number;
  readonly unit: 'word' | 'character';
  readonly minimumLength: number;
  readonly maximumLength: number;
}

const ngramFields: Fields<NgramSettings> = {
  dimension: required(positiveNumber),
  unit: required(oneOf('word', 'character')),
  minimumLength: required(positiveNumber),
  maximumLength: required(positiveNumber),
};

/**
 * Creates an embedder of hashed n-grams, which needs no model: n texts become float32 vectors, row-major
 * [n × dimension]. A vector counts the n-grams of `minimumLength` to `maximumLength` units in the text, scaled to length 1.
 * @throws InvalidRequestError for a setting that is missing, unknown or of the wrong type.
 *
 * @example
 * import { createNgramEmbedder } from 'exit-rl/embedders';
 *
 * const embedder = await createNgramEmbedder({ dimension: 256, unit: 'word', minimumLength: 1, maximumLength: 2 });
 * const vectors = await embedder.embed([{ text: 'to be' }, { text: 'or not to be' }]);
 * console.log(vectors.length / embedder.dimension);
 */
export async function createNgramEmbedder(settings: NgramSettings): Promise<Embedder> {
  requireFields<NgramSettings>('createNgramEmbedder', settings, ngramFields);
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
