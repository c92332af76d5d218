/** The policy as its own embedder: pools the final hidden states that the tokens of an answer were sampled from. */
import { ConfigError } from '../errors.js';
import type { Policy, StatePooling } from '../policy/policy.js';
import type { Embedder, EmbeddingInput, GeneratedTokens } from './embedder.js';

/** A turn to embed, and its row of the result. */
interface Reading extends GeneratedTokens {
  readonly row: number;
}

const equal = (left: Int32Array, right: Int32Array): boolean =>
  left.length === right.length && left.every((token, at) => token === right[at]);

/** Lists all turns with tokens, first turns first: the equal prompts of a group are adjacent and computed once. */
function listReadings(inputs: readonly EmbeddingInput[]): Reading[] {
  const turns = Math.max(0, ...inputs.map((input) => input.turns?.length ?? 0));
  return Array.from({ length: turns }).flatMap((_, turn) =>
    inputs.flatMap((input, row) => {
      const generated = input.turns?.[turn];
      return generated === undefined || generated.tokens.length === 0 ? [] : [{ row, ...generated }];
    }),
  );
}

function assembleReadings(readings: readonly Reading[]) {
  const prompts: Int32Array[] = [];
  const sequences = readings.map(({ promptTokens, tokens }, rollout) => {
    const last = prompts.at(-1);
    if (last === undefined || !equal(last, promptTokens)) prompts.push(promptTokens);
    return { prompt: prompts.length - 1, tokens, rollout, advantage: 0 };
  });
  return { prompts, sequences };
}

/** Pools the readings of each row: their mean weighted by tokens (`mean`), or the last one (`lasttoken`). */
function poolRows(vectors: Float32Array, readings: readonly Reading[], rows: number, pooling: StatePooling) {
  const dimension = vectors.length / readings.length;
  const pooled = new Float32Array(rows * dimension);
  const tokensOfRow = new Float64Array(rows);
  for (const { row, tokens } of readings) tokensOfRow[row] = (tokensOfRow[row] ?? 0) + tokens.length;
  readings.forEach(({ row, tokens }, at) => {
    const weight = pooling === 'mean' ? tokens.length / (tokensOfRow[row] ?? 1) : 1;
    for (let index = 0; index < dimension; index++) {
      const place = row * dimension + index;
      const before = pooling === 'mean' ? (pooled[place] ?? 0) : 0;
      pooled[place] = before + weight * (vectors[at * dimension + index] ?? 0);
    }
  });
  return pooled;
}

/**
 * Creates an embedder of the policy's hidden states. `mean` averages over all tokens of all turns; `lasttoken` takes the
 * state before the last token of the last turn. The vector of an answer without tokens is 0.
 * @throws ConfigError when the policy does not return its hidden states.
 */
export function createPolicyEmbedder(policy: Policy, pooling: StatePooling): Embedder {
  const message = 'this policy does not return its hidden states';
  if (policy.states === undefined) throw new ConfigError([{ key: 'diversity.embedder', message }]);
  let dimension = 0;
  return {
    get dimension() {
      return dimension;
    },
    embed: async (inputs) => {
      const readings = listReadings(inputs);
      if (readings.length === 0) return new Float32Array(inputs.length * dimension);
      const vectors = (await policy.states?.(assembleReadings(readings), pooling)) ?? new Float32Array();
      dimension = vectors.length / readings.length;
      return poolRows(vectors, readings, inputs.length, pooling);
    },
  };
}
