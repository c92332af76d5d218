/** Writes code breaker's model folder: an ordinary Hugging Face folder, which loads like any other model. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rng } from '../../rng.js';
import { encodeSafetensors } from '../../safetensors.js';
import { initialWeights, shape } from './weights.js';
import { specialWords, vocabulary } from './words.js';

const [padding, beginning, end] = specialWords;
const tokenId = (word: string): number => vocabulary.indexOf(word);
const ids = { bos_token_id: tokenId(beginning), eos_token_id: tokenId(end), pad_token_id: tokenId(padding) };

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: vocabulary.length,
  hidden_size: shape.width,
  intermediate_size: shape.hidden,
  num_hidden_layers: shape.layers,
  num_attention_heads: shape.queryHeads,
  num_key_value_heads: shape.keyValueHeads,
  head_dim: shape.headWidth,
  hidden_act: 'silu',
  max_position_embeddings: shape.context,
  rms_norm_eps: shape.normEpsilon,
  rope_theta: shape.rotaryBase,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  ...ids,
  torch_dtype: 'float32',
};

/** Words are split at spaces. An unknown word is an error, not a token: `<unk>` is not in the vocabulary. */
const tokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: specialWords.map((content) => ({
    id: tokenId(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordLevel',
    vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
    unk_token: '<unk>',
  },
};

const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: beginning,
  eos_token: end,
  pad_token: padding,
  clean_up_tokenization_spaces: false,
  model_max_length: shape.context,
};

const generationConfig = { ...ids, do_sample: true, temperature: 1 };

/** Writes an untrained model into `folder`, which is created if missing. The same generator state gives the same bytes. */
export async function writeInitialModel(folder: string, rng: Rng): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = { config, tokenizer, tokenizer_config: tokenizerConfig, generation_config: generationConfig };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`);
  }
  await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(initialWeights(rng)));
}
