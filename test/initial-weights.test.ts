import { describe, expect, test } from 'vitest';
import { initialWeights, type ModelShape } from '../src/initial-weights.js';
import { createRng } from '../src/rng.js';

const shape: ModelShape = {
  model_type: 'qwen2',
  vocab_size: 50,
  hidden_size: 32,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  tie_word_embeddings: true,
};
const namesOf = (changes: Partial<ModelShape>): string[] =>
  initialWeights({ ...shape, ...changes }, createRng(1)).map(({ name }) => name);

test('the same seed gives the same numbers, another seed different ones', () => {
  expect(initialWeights(shape, createRng(1))).toEqual(initialWeights(shape, createRng(1)));
  expect(initialWeights(shape, createRng(2))).not.toEqual(initialWeights(shape, createRng(1)));
});

describe('the weights of a family', () => {
  test('Llama has neither biases nor head norms, Qwen2 biases, Qwen3 head norms', () => {
    const extras = (family: ModelShape['model_type']): string[] =>
      namesOf({ model_type: family, num_hidden_layers: 1 }).filter((name) => /bias|[qk]_norm/.test(name));
    const attention = 'model.layers.0.self_attn';
    expect(extras('llama')).toEqual([]);
    expect(extras('qwen2')).toEqual(['q', 'k', 'v'].map((part) => `${attention}.${part}_proj.bias`));
    expect(extras('qwen3')).toEqual(['q', 'k'].map((part) => `${attention}.${part}_norm.weight`));
  });

  test('an untied head is a separate matrix', () => {
    expect(namesOf({ tie_word_embeddings: false })).toEqual([...namesOf({}), 'lm_head.weight']);
  });
});

test('a matrix preserves the norm of its input, a residual matrix reduces it', () => {
  const found = new Map(initialWeights(shape, createRng(3)).map((tensor) => [tensor.name, tensor]));
  const deviation = (name: string): number => {
    const values = [...(found.get(name)?.values ?? [])];
    return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  };
  expect(deviation('model.layers.0.mlp.gate_proj.weight') * Math.sqrt(32)).toBeCloseTo(0.8, 1);
  expect(deviation('model.layers.1.mlp.down_proj.weight') * Math.sqrt(96)).toBeCloseTo(0.4, 1);
  expect(deviation('model.embed_tokens.weight')).toBeCloseTo(0.5, 1);
});
