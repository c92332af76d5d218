/** A key of a config is computed, refused by name where its value changes numbers, or ignored with a notice. */
import { describe, expect, test } from 'vitest';
import { ModelFolderError } from '../../src/errors.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { changeJson, copyModel, loadError } from '../support/model-folder.js';

type Changes = Readonly<Record<string, unknown>>;

async function errorOf(model: string, changes: Changes, file = 'config.json'): Promise<unknown> {
  const folder = copyModel(model);
  changeJson(folder, file, changes);
  return loadError(folder);
}

const refused: [string, string, Changes, RegExp][] = [
  ['another family', 'llama-tied', { model_type: 'gemma2' }, /`model_type` is `gemma2`.*mistral/],
  ['a classifier', 'llama-tied', { architectures: ['LlamaForSequenceClassification'] }, /`architectures`/],
  ['another activation', 'llama-tied', { hidden_act: 'mish' }, /`hidden_act` is `mish`.*quick_gelu/],
  ['quantised weights', 'llama-tied', { quantization_config: { bits: 4 } }, /`quantization_config`/],
  ['dropout', 'llama-tied', { attention_dropout: 0.1 }, /`attention_dropout` is `0.1`/],
  ['an unknown number', 'llama-tied', { logit_scale: 0.5 }, /config\.json`: `logit_scale` is `0.5`/],
  ['capped logits', 'qwen2', { final_logit_softcapping: 30 }, /`final_logit_softcapping` is `30`/],
  ['a window in a Llama', 'llama-tied', { sliding_window: 64 }, /`sliding_window`/],
  ['a window in a Llama by flag', 'llama-tied', { use_sliding_window: true }, /`use_sliding_window`/],
  ['a bias in a Mistral', 'mistral', { attention_bias: true }, /`attention_bias`.*in this family/],
  ['an MLP bias in a Qwen3', 'qwen3', { mlp_bias: true }, /`mlp_bias`/],
  ['layers of other kinds', 'qwen3', { layer_types: ['full_attention', 'linear_attention'] }, /`layer_types`/],
  [
    'windowed layers without a window',
    'qwen3',
    { layer_types: ['full_attention', 'sliding_attention'] },
    /`layer_types`/,
  ],
  [
    'full layers where all have a window',
    'mistral',
    { layer_types: ['full_attention', 'full_attention'] },
    /`layer_types`/,
  ],
  [
    'dynamic scaling without its factor',
    'llama-tied',
    { rope_parameters: { rope_type: 'dynamic' } },
    /`rope_parameters.factor` is absent/,
  ],
  ['longrope', 'llama-tied', { rope_scaling: { type: 'longrope', factor: 2 } }, /`rope_scaling.type` is `longrope`/],
  [
    'a key that this scaling does not read',
    'llama-tied',
    { rope_scaling: { type: 'linear', factor: 2, beta_fast: 4 } },
    /`rope_scaling.beta_fast`/,
  ],
  ['a part of the head rotated', 'llama-tied', { partial_rotary_factor: 0.5 }, /`partial_rotary_factor`/],
];

const malformed: [string, string, Changes, RegExp][] = [
  ['a size in words', 'llama-tied', { hidden_size: 'many' }, /`hidden_size` is many/],
  ['a size of zero', 'llama-tied', { vocab_size: 0 }, /`vocab_size` is 0/],
  ['a size missing', 'llama-tied', { num_hidden_layers: undefined }, /`num_hidden_layers` is missing/],
  ['a negative epsilon', 'llama-tied', { rms_norm_eps: -1 }, /`rms_norm_eps` is -1/],
  ['an epsilon in words', 'llama-tied', { rms_norm_eps: '1e-6' }, /`rms_norm_eps`/],
  ['a flag in words', 'llama-tied', { tie_word_embeddings: 'yes' }, /`tie_word_embeddings`/],
  ['heads that do not divide', 'llama-tied', { num_key_value_heads: 3 }, /do not fit together/],
  ['rope settings that are no object', 'llama-tied', { rope_parameters: [1] }, /`rope_parameters`/],
  [
    'a scaling without its factor',
    'llama-tied',
    { rope_parameters: { rope_type: 'linear' } },
    /`rope_parameters.factor` is absent/,
  ],
  ['a list of layer kinds that is too short', 'qwen3', { layer_types: ['full_attention'] }, /`layer_types`/],
  ['a theta of zero', 'llama-tied', { rope_parameters: undefined, rope_theta: 0 }, /`rope_theta`/],
  ['a window of zero', 'mistral', { sliding_window: 0 }, /`sliding_window`/],
];

describe.each([
  ['refused', refused],
  ['malformed', malformed],
] as const)('%s', (_, cases) => {
  test.each(cases)('%s', async (_name, model, changes, message) => {
    const error = await errorOf(model, changes);
    expect(ModelFolderError.isInstance(error), String(error)).toBe(true);
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain('config.json');
  });
});

/** Keys of published folders that do not affect the computation. */
const published: Changes = {
  _name_or_path: 'someone/model',
  _attn_implementation_autoset: true,
  unsloth_version: '2026.1.1',
  unsloth_fixed: true,
  pretraining_tp: 1,
  use_cache: false,
  use_mrope: false,
  bad_words_ids: null,
  task_specific_params: {},
  transformers_version: '4.40.0',
  initializer_range: 0.03,
  temperature: 0.6,
  'transformers.js_config': { dtype: 'q4' },
  num_experts: null,
};

test.each(['llama-tied', 'mistral', 'qwen2', 'qwen3'])(
  '%s loads with keys that do not affect the computation',
  async (model) => {
    expect(await errorOf(model, published)).toBeUndefined();
  },
);

test('keys that nothing reads are ignored, and one line lists them', async () => {
  const folder = copyModel('llama-tied');
  const note = { by: 'me' };
  changeJson(folder, 'config.json', {
    is_llama_config: true,
    a_note: note,
    auto_map: { AutoModel: 'x.Y' },
    other: null,
  });
  const lines: string[] = [];
  const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1, onNotice: (line) => lines.push(line) });
  await policy.close();
  const keys = '`a_note`, `auto_map`, `is_llama_config`';
  expect(lines).toEqual([`\`${folder}/config.json\`: ${keys} are ignored, no code of this family reads them`]);
});

describe('end tokens', () => {
  const endTokens = async (generation: Changes, config: Changes = {}): Promise<readonly number[]> => {
    const folder = copyModel('llama-tied');
    changeJson(folder, 'generation_config.json', generation);
    changeJson(folder, 'config.json', config);
    const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    const { endTokenIds } = policy.info();
    await policy.close();
    return endTokenIds;
  };

  test('are a number, a list, or those of config.json', async () => {
    expect(await endTokens({ eos_token_id: 5 })).toEqual([5]);
    expect(await endTokens({ eos_token_id: [7, 2, 9] })).toEqual([7, 2, 9]);
    expect(await endTokens({ eos_token_id: null }, { eos_token_id: [3] })).toEqual([3]);
    expect(await endTokens({ eos_token_id: undefined }, { eos_token_id: null })).toEqual([]);
  });

  test.each([[-1], ['</s>'], [[2, 'x']], [2.5], [96], [{}]])('%j are an error', async (eos_token_id) => {
    const error = await errorOf('llama-tied', { eos_token_id }, 'generation_config.json');
    expect(ModelFolderError.isInstance(error)).toBe(true);
    expect(String(error)).toMatch(/generation_config\.json.*`eos_token_id`/);
  });
});
