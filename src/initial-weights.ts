/** The weights of an untrained model, drawn from a seed, for the shape that a config.json describes. */
import { type Rng, standardNormal } from './rng.js';
import type { NamedTensor } from './safetensors.js';

/** The keys of config.json that decide which weights there are. */
export interface ModelShape {
  readonly model_type: 'llama' | 'qwen2' | 'qwen3';
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly tie_word_embeddings: boolean;
}

/** Standard deviations: of an embedding, and of a matrix times the square root of its inputs. */
const spread = { embedding: 0.5, matrix: 0.8 } as const;

const constant = (name: string, length: number, value: number): NamedTensor => ({
  name,
  shape: [length],
  values: new Float32Array(length).fill(value),
});

/** W ~ N(0, s²/inputs) with s = 0.8: a vector of unit variance keeps about its size. Each matrix has its own stream. */
function matrix(rng: Rng, name: string, rows: number, columns: number, deviation: number): NamedTensor {
  const own = rng.fork(name);
  const values = Float32Array.from({ length: rows * columns }, () => standardNormal(own) * deviation);
  return { name, shape: [rows, columns], values };
}

/** Qwen2 has biases on query, key and value, Qwen3 norms of each head's query and key, Llama neither. */
function attentionExtras(shape: ModelShape, name: string, queries: number, keys: number): NamedTensor[] {
  switch (shape.model_type) {
    case 'llama':
      return [];
    case 'qwen2':
      return [
        constant(`${name}.q_proj.bias`, queries, 0),
        constant(`${name}.k_proj.bias`, keys, 0),
        constant(`${name}.v_proj.bias`, keys, 0),
      ];
    case 'qwen3':
      return [
        constant(`${name}.q_norm.weight`, shape.head_dim, 1),
        constant(`${name}.k_norm.weight`, shape.head_dim, 1),
      ];
  }
}

function layer(rng: Rng, shape: ModelShape, index: number): NamedTensor[] {
  const { hidden_size: width, intermediate_size: hidden, head_dim: head } = shape;
  const [queries, keys] = [shape.num_attention_heads * head, shape.num_key_value_heads * head];
  const name = `model.layers.${index}`;
  // What is added to the residual stream shrinks with depth, so that the stream's size does not grow with it.
  const residual = spread.matrix / Math.sqrt(2 * shape.num_hidden_layers);
  const drawn = (part: string, rows: number, columns: number, share: number = spread.matrix): NamedTensor =>
    matrix(rng, `${name}.${part}.weight`, rows, columns, share / Math.sqrt(columns));
  return [
    constant(`${name}.input_layernorm.weight`, width, 1),
    drawn('self_attn.q_proj', queries, width),
    drawn('self_attn.k_proj', keys, width),
    drawn('self_attn.v_proj', keys, width),
    drawn('self_attn.o_proj', width, queries, residual),
    ...attentionExtras(shape, `${name}.self_attn`, queries, keys),
    constant(`${name}.post_attention_layernorm.weight`, width, 1),
    drawn('mlp.gate_proj', hidden, width),
    drawn('mlp.up_proj', hidden, width),
    drawn('mlp.down_proj', width, hidden, residual),
  ];
}

/** Every weight under its Hugging Face name. The same shape and generator state give the same numbers. */
export function initialWeights(shape: ModelShape, rng: Rng): NamedTensor[] {
  const { vocab_size: vocabulary, hidden_size: width } = shape;
  const layers = Array.from({ length: shape.num_hidden_layers }, (_, index) => layer(rng, shape, index));
  const table = (name: string): NamedTensor => matrix(rng, name, vocabulary, width, spread.embedding);
  return [
    table('model.embed_tokens.weight'),
    ...layers.flat(),
    constant('model.norm.weight', width, 1),
    ...(shape.tie_word_embeddings ? [] : [table('lm_head.weight')]),
  ];
}
