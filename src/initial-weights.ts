/** Draws the weights of an untrained model from a seed, for the architecture that a config.json describes. */
import { type Rng, standardNormal } from './rng.js';
import type { NamedTensor } from './safetensors.js';

/** The keys of config.json that determine the weights and their shapes. */
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

/** Standard deviations: of an embedding, and of a matrix multiplied by the square root of its number of inputs. */
const spread = { embedding: 0.5, matrix: 0.8 } as const;

const constant = (name: string, length: number, value: number): NamedTensor => ({
  name,
  shape: [length],
  values: new Float32Array(length).fill(value),
});

/** W ~ N(0, s²/inputs) with s = 0.8: a vector of unit variance keeps its norm approximately. Each matrix has its own stream. */
function matrix(rng: Rng, name: string, rows: number, columns: number, deviation: number): NamedTensor {
  const stream = rng.fork(name);
  const values = Float32Array.from({ length: rows * columns }, () => standardNormal(stream) * deviation);
  return { name, shape: [rows, columns], values };
}

/** Returns Qwen2's biases of query, key and value, or Qwen3's norms of each head's query and key; Llama has neither. */
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
  const queries = shape.num_attention_heads * head;
  const keys = shape.num_key_value_heads * head;
  const name = `model.layers.${index}`;
  // Contributions to the residual stream shrink with depth, so that the norm of the stream does not grow with it.
  const residual = spread.matrix / Math.sqrt(2 * shape.num_hidden_layers);
  const linear = (part: string, rows: number, columns: number, deviation: number = spread.matrix): NamedTensor =>
    matrix(rng, `${name}.${part}.weight`, rows, columns, deviation / Math.sqrt(columns));
  return [
    constant(`${name}.input_layernorm.weight`, width, 1),
    linear('self_attn.q_proj', queries, width),
    linear('self_attn.k_proj', keys, width),
    linear('self_attn.v_proj', keys, width),
    linear('self_attn.o_proj', width, queries, residual),
    ...attentionExtras(shape, `${name}.self_attn`, queries, keys),
    constant(`${name}.post_attention_layernorm.weight`, width, 1),
    linear('mlp.gate_proj', hidden, width),
    linear('mlp.up_proj', hidden, width),
    linear('mlp.down_proj', width, hidden, residual),
  ];
}

/** Draws every weight under its Hugging Face name. The same shape and generator state give the same numbers. */
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
