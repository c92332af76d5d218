/** Draws the untrained policy of code breaker from a seed: Llama architecture, 205,696 parameters. */
import { type Rng, standardNormal } from '../../rng.js';
import type { NamedTensor } from '../../safetensors.js';
import { colourCount, colourWords, emptyWord, slotCount, vocabulary } from './words.js';

export const shape = {
  width: 64,
  layers: 4,
  queryHeads: 4,
  keyValueHeads: 2,
  headWidth: 16,
  hidden: 192,
  context: 128,
  normEpsilon: 1e-5,
  rotaryBase: 10_000,
} as const;

/** Standard deviations of the normal draws. */
const spread = { linear: 0.1, residual: 0.08, embedding: 0.05, wordPart: 0.03 } as const;

const normal = (rng: Rng, length: number, deviation: number): Float32Array =>
  Float32Array.from({ length }, () => standardNormal(rng) * deviation);

const sum = (parts: readonly Float32Array[]): Float32Array =>
  Float32Array.from({ length: shape.width }, (_, index) =>
    parts.reduce((total, part) => total + (part[index] ?? 0), 0),
  );

const vectors = (rng: Rng, count: number): Float32Array[] =>
  Array.from({ length: count }, () => normal(rng, shape.width, spread.wordPart));

/**
 * Initialises words that share a slot, a colour or a mark as sums of shared vectors, so that the small base need not
 * learn the structure of the vocabulary word by word.
 */
function colourWordVectors(rng: Rng): Map<string, Float32Array> {
  const slots = vectors(rng, slotCount);
  const colours = vectors(rng, colourCount);
  const kinds = vectors(rng, colourWords.length);
  const table = new Map(slots.map((vector, slot) => [emptyWord(slot), vector]));
  for (const [kind, words] of colourWords.entries()) {
    for (const [index, word] of words.entries()) {
      const parts = [slots[Math.floor(index / colourCount)], colours[index % colourCount], kinds[kind]];
      table.set(word, sum(parts.filter((part) => part !== undefined)));
    }
  }
  return table;
}

function embeddings(rng: Rng): Float32Array {
  const shared = colourWordVectors(rng.fork('words'));
  const stream = rng.fork('embeddings');
  const rows = vocabulary.map((word) => shared.get(word) ?? normal(stream, shape.width, spread.embedding));
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

function layer(rng: Rng, index: number): NamedTensor[] {
  const { width, hidden, headWidth } = shape;
  const queries = shape.queryHeads * headWidth;
  const keys = shape.keyValueHeads * headWidth;
  const named = (name: string): string => `model.layers.${index}.${name}.weight`;
  const norm = (name: string): NamedTensor => ({
    name: named(name),
    shape: [width],
    values: new Float32Array(width).fill(1),
  });
  const matrix = (name: string, rows: number, columns: number, deviation: number): NamedTensor => ({
    name: named(name),
    shape: [rows, columns],
    values: normal(rng.fork(name, index), rows * columns, deviation),
  });
  return [
    norm('input_layernorm'),
    matrix('self_attn.q_proj', queries, width, spread.linear),
    matrix('self_attn.k_proj', keys, width, spread.linear),
    matrix('self_attn.v_proj', keys, width, spread.linear),
    matrix('self_attn.o_proj', width, queries, spread.residual),
    norm('post_attention_layernorm'),
    matrix('mlp.gate_proj', hidden, width, spread.linear),
    matrix('mlp.up_proj', hidden, width, spread.linear),
    matrix('mlp.down_proj', width, hidden, spread.residual),
  ];
}

/** Draws every weight under its Hugging Face name; the output head is the embedding table (tied). */
export function initialWeights(rng: Rng): NamedTensor[] {
  const { width } = shape;
  const layers = Array.from({ length: shape.layers }, (_, index) => layer(rng, index));
  return [
    { name: 'model.embed_tokens.weight', shape: [vocabulary.length, width], values: embeddings(rng) },
    ...layers.flat(),
    { name: 'model.norm.weight', shape: [width], values: new Float32Array(width).fill(1) },
  ];
}
