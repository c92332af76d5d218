/** Folders that are wrong, incomplete or made to do harm: a typed error that names file and key, at once. */
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalEmbedder } from '../../src/embedder/local-embedder.js';
import { ModelFolderError, type NativeError } from '../../src/errors.js';

const golden = join(import.meta.dirname, '../golden/embedders');

let root = '';
let folder = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-hostile-embedder-'));
  folder = join(root, 'embedder');
});
afterEach(() => rm(root, { recursive: true, force: true }));

type Json = Record<string, unknown>;

async function edit(name: string, change: (json: Json) => unknown): Promise<void> {
  const file = join(folder, name);
  const json = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify(change(json) ?? json));
}

const set = (name: string, changes: Json) => (): Promise<void> => edit(name, (json) => ({ ...json, ...changes }));

const modules = (change: (list: Json[]) => Json[]) => (): Promise<void> =>
  edit('modules.json', (list) => change(list as unknown as Json[]));

const replace = (name: string, content: string | Uint8Array) => (): Promise<void> =>
  writeFile(join(folder, name), content);

/** Makes the first number of the file's first weight NaN. */
async function poison(): Promise<void> {
  const file = join(folder, 'model.safetensors');
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  bytes.writeFloatLE(Number.NaN, start);
  await writeFile(file, bytes);
}

async function bomb(): Promise<void> {
  const header = Buffer.alloc(16);
  header.writeBigUInt64LE(2n ** 60n);
  await writeFile(join(folder, 'model.safetensors'), header);
}

async function pickle(): Promise<void> {
  await rename(join(folder, 'model.safetensors'), join(folder, 'pytorch_model.bin'));
}

async function fifo(): Promise<void> {
  await rm(join(folder, 'tokenizer.json'));
  execFileSync('mkfifo', [join(folder, 'tokenizer.json')]);
}

const last = <Item>(list: readonly Item[], item: Item): Item[] => [...list.slice(0, -1), item];
const dense = { idx: 2, name: '2', path: '2_Dense' };
const chat = { text: { method: 'forward', method_output_name: 'last_hidden_state' }, message: {} };

const cases: readonly (readonly [string, string, () => Promise<unknown>, string, RegExp])[] = [
  ['no config', 'minilm-old', () => rm(join(folder, 'config.json')), 'MODEL_FILE_MISSING', /config\.json/],
  ['no tokenizer', 'minilm-old', () => rm(join(folder, 'tokenizer.json')), 'MODEL_FILE_MISSING', /tokenizer\.json/],
  ['no weights', 'minilm-old', () => rm(join(folder, 'model.safetensors')), 'MODEL_FILE_MISSING', /model\.safetensors/],
  ['a pickle', 'minilm-old', pickle, 'MODEL_FILE', /pytorch_model\.bin.*safe_serialization=True/],
  [
    'no pooling',
    'bert-new',
    () => rm(join(folder, '1_Pooling'), { recursive: true }),
    'MODEL_FILE_MISSING',
    /1_Pooling/,
  ],
  ['no Dense', 'bert-new', () => rm(join(folder, '2_Dense/model.safetensors')), 'MODEL_FILE_MISSING', /2_Dense/],
  ['modules that are no list', 'minilm-old', replace('modules.json', '{}'), 'MODEL_FILE', /no list of modules/],
  ['modules that are no JSON', 'minilm-old', replace('modules.json', '['), 'MODEL_FILE', /modules\.json/],
  ['no module at all', 'minilm-old', modules(() => []), 'MODEL_FILE', /begin with Transformer and Pooling/],
  [
    'a module outside',
    'minilm-old',
    modules((list) => last(list, { ...dense, path: '../x', type: 'x' })),
    'MODEL_FILE',
    /`\.\.\/x` leads out/,
  ],
  [
    'a module of its own',
    'minilm-old',
    modules((list) => last(list, { ...dense, type: 'custom.Thing' })),
    'MODEL_UNSUPPORTED',
    /`custom\.Thing`/,
  ],
  [
    'another module',
    'minilm-old',
    modules((list) => last(list, { ...dense, type: 'sentence_transformers.models.CNN' })),
    'MODEL_UNSUPPORTED',
    /models\.CNN/,
  ],
  [
    'pooling twice',
    'minilm-old',
    modules((list) => last(list, list[1] as Json)),
    'MODEL_FILE',
    /only Dense and Normalize/,
  ],
  [
    'an unknown pooling',
    'bert-new',
    set('1_Pooling/config.json', { pooling_mode: 'attention' }),
    'MODEL_UNSUPPORTED',
    /pooling_mode/,
  ],
  ['an unknown key', 'bert-new', set('1_Pooling/config.json', { heads: 4 }), 'MODEL_UNSUPPORTED', /`heads`/],
  [
    'another width',
    'bert-new',
    set('1_Pooling/config.json', { embedding_dimension: 64 }),
    'MODEL_UNSUPPORTED',
    /embedding_dimension/,
  ],
  [
    'an unknown activation',
    'bert-new',
    set('2_Dense/config.json', { activation_function: 'torch.nn.modules.activation.Mish' }),
    'MODEL_UNSUPPORTED',
    /activation_function.*Mish/,
  ],
  [
    'an activation of its own',
    'bert-new',
    set('2_Dense/config.json', { activation_function: 'os.Tanh' }),
    'MODEL_UNSUPPORTED',
    /os\.Tanh/,
  ],
  [
    'a Dense on tokens',
    'bert-new',
    set('2_Dense/config.json', { module_input_name: 'token_embeddings' }),
    'MODEL_UNSUPPORTED',
    /module_input_name/,
  ],
  [
    'a Dense that does not fit',
    'bert-new',
    set('2_Dense/config.json', { in_features: 95 }),
    'WEIGHT_SHAPE',
    /linear\.weight/,
  ],
  [
    'a huge Dense',
    'bert-new',
    set('2_Dense/config.json', { in_features: 2 ** 24, out_features: 2 ** 24 }),
    'MODEL_FILE',
    /the safetensors files hold/,
  ],
  [
    'chat messages',
    'bert-new',
    set('sentence_bert_config.json', { modality_config: chat }),
    'MODEL_UNSUPPORTED',
    /modality_config/,
  ],
  [
    'sentence settings',
    'bert-new',
    set('sentence_bert_config.json', { processing_kwargs: { text: { max_length: 4 } } }),
    'MODEL_UNSUPPORTED',
    /processing_kwargs/,
  ],
  [
    'too long a text',
    'minilm-old',
    set('sentence_bert_config.json', { max_seq_length: 97 }),
    'MODEL_FILE',
    /97.*96 positions/,
  ],
  [
    'no room for a text',
    'minilm-old',
    set('sentence_bert_config.json', { max_seq_length: 1 }),
    'MODEL_FILE',
    /special tokens/,
  ],
  [
    'relative positions',
    'minilm-old',
    set('config.json', { position_embedding_type: 'relative_key' }),
    'MODEL_UNSUPPORTED',
    /position_embedding_type/,
  ],
  ['a decoder of BERT', 'minilm-old', set('config.json', { is_decoder: true }), 'MODEL_UNSUPPORTED', /is_decoder/],
  [
    'quantisation',
    'minilm-old',
    set('config.json', { quantization_config: { bits: 4 } }),
    'MODEL_UNSUPPORTED',
    /quantization_config/,
  ],
  [
    'a key that changes numbers in other families',
    'minilm-old',
    set('config.json', { residual_multiplier: 0.5 }),
    'MODEL_UNSUPPORTED',
    /residual_multiplier/,
  ],
  [
    'another family',
    'minilm-old',
    set('config.json', { model_type: 'roberta' }),
    'MODEL_UNSUPPORTED',
    /model_type.*roberta/,
  ],
  [
    'an absurd width',
    'minilm-old',
    set('config.json', { hidden_size: 2 ** 24 }),
    'MODEL_FILE',
    /the safetensors files hold/,
  ],
  ['a negative width', 'minilm-old', set('config.json', { hidden_size: -32 }), 'MODEL_FILE', /hidden_size/],
  [
    'a million layers',
    'minilm-old',
    set('config.json', { num_hidden_layers: 1_000_000 }),
    'MODEL_FILE',
    /num_hidden_layers/,
  ],
  ['heads that do not fit', 'minilm-old', set('config.json', { num_attention_heads: 5 }), 'MODEL_FILE', /5 heads/],
  ['a smaller MLP', 'minilm-old', set('config.json', { intermediate_size: 40 }), 'WEIGHT_SHAPE', /intermediate\.dense/],
  [
    'another rope',
    'modernbert-new',
    set('config.json', { rope_parameters: { full_attention: { rope_type: 'yarn', factor: 4 } } }),
    'MODEL_UNSUPPORTED',
    /rope_parameters/,
  ],
  [
    'an unknown layer',
    'modernbert-new',
    set('config.json', { layer_types: ['a', 'b', 'c', 'd'] }),
    'MODEL_UNSUPPORTED',
    /layer_types/,
  ],
  ['NaN weights', 'minilm-old', poison, 'WEIGHT_NOT_FINITE', /NaN/],
  ['a header bomb', 'minilm-old', bomb, 'MODEL_FILE', /header/],
  ['a pipe', 'minilm-old', fifo, 'MODEL_FILE', /regular file/],
  [
    'a tokenizer without sense',
    'minilm-old',
    replace('tokenizer.json', '{"model": 7}'),
    'MODEL_FILE',
    /tokenizer\.json/,
  ],
  [
    'a vocabulary without [SEP]',
    'bert-vocabulary',
    replace('vocab.txt', '[PAD]\n[UNK]\n[CLS]\n[MASK]\na\n'),
    'MODEL_FILE',
    /`\[SEP\]`/,
  ],
  [
    'a plain folder that wants chat',
    'qwen3-plain',
    replace('chat_template.jinja', '{{ messages }}'),
    'MODEL_UNSUPPORTED',
    /chat_template/,
  ],
];

describe('loading a damaged folder', () => {
  test.each(cases)('refuses %s', async (_, name, damage, code, message) => {
    await cp(join(golden, name), folder, { recursive: true });
    await damage();
    const error = await LocalEmbedder.load(folder, { device: 'cpu', threads: 1 }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ModelFolderError);
    expect((error as NativeError).code).toBe(code);
    expect((error as NativeError).message).toMatch(message);
  });

  test('refuses a folder that does not exist', async () => {
    await expect(LocalEmbedder.load(join(root, 'nowhere'))).rejects.toBeInstanceOf(ModelFolderError);
  });
});
