/** Malformed model folders give a typed error that names the file, in bounded time and memory. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Attack, refused, replace } from '../support/attacks.js';
import { changeJson, copyModel, loadError } from '../support/model-folder.js';

const weights = 'model.safetensors';
const fifo = (path: string): void => {
  execFileSync('mkfifo', [path]);
};

const kinds: Attack[] = ['config.json', weights, 'tokenizer.json', 'generation_config.json'].flatMap(
  (name): Attack[] => [
    [`a fifo for ${name}`, 'llama-tied', replace(name, fifo), /is not a regular file/],
    [`a folder for ${name}`, 'llama-tied', replace(name, (path) => mkdirSync(path)), /is not a regular file/],
    [`a link to itself for ${name}`, 'llama-tied', replace(name, (path) => symlinkSync(path, path)), /cannot be read/],
    [
      `a link to a device for ${name}`,
      'llama-tied',
      replace(name, (path) => symlinkSync('/dev/zero', path)),
      /is not a regular file/,
    ],
  ],
);

const configs: Attack[] = [
  [
    'layers and widths of 2^24',
    'llama-tied',
    (folder) => changeJson(folder, 'config.json', { num_hidden_layers: 2 ** 24, hidden_size: 2 ** 24 }),
    /config\.json describes \d+ numbers, the safetensors files hold/,
  ],
  [
    'a vocabulary of 2^24',
    'llama-tied',
    (folder) => changeJson(folder, 'config.json', { vocab_size: 2 ** 24 }),
    /config\.json describes/,
  ],
  [
    'a hidden size of 2^53',
    'llama-tied',
    (folder) => changeJson(folder, 'config.json', { hidden_size: 2 ** 53 }),
    /`hidden_size`/,
  ],
  [
    '2^24 heads of 2^24',
    'llama-tied',
    (folder) =>
      changeJson(folder, 'config.json', {
        num_attention_heads: 2 ** 24,
        num_key_value_heads: 2 ** 24,
        head_dim: 2 ** 24,
      }),
    /config\.json describes/,
  ],
  [
    'a config that is no JSON',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'config.json'), '{'),
    /config\.json/,
  ],
  [
    'a config that is a list',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'config.json'), '[]'),
    /no JSON object/,
  ],
  [
    'a config of 20 MB',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'config.json'), `{"a":"${'x'.repeat(20e6)}"}`),
    /at most 16777216 are read/,
  ],
  [
    'end tokens that are no JSON',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'generation_config.json'), '{'),
    /generation_config\.json/,
  ],
];

const tokenizers: Attack[] = [
  [
    'an empty tokenizer',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'tokenizer.json'), ''),
    /tokenizer\.json/,
  ],
  [
    'a tokenizer of another shape',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'tokenizer.json'), '{"model":7}'),
    /tokenizer\.json/,
  ],
  [
    'a tokenizer that is nested without end',
    'llama-tied',
    (folder) => writeFileSync(join(folder, 'tokenizer.json'), '['.repeat(1e6)),
    /tokenizer\.json/,
  ],
  [
    'merges of tokens that do not exist',
    'qwen2',
    (folder) => {
      const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
      json.model.merges.push(['nowhere', 'nothing']);
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
    },
    /tokenizer\.json/,
  ],
  [
    'a pre-tokenizer whose expression is broken',
    'qwen2',
    (folder) =>
      changeJson(folder, 'tokenizer.json', {
        pre_tokenizer: { type: 'Split', pattern: { Regex: '(((' }, behavior: 'Isolated', invert: false },
      }),
    /tokenizer\.json/,
  ],
];

refused({ 'files of another kind': kinds, configs, tokenizers });

test('links to regular files are followed, as a hub cache contains them', async () => {
  const [folder, elsewhere] = [copyModel('llama-tied'), copyModel('llama-tied')];
  for (const name of ['config.json', weights, 'tokenizer.json']) {
    replace(name, (path) => symlinkSync(join(elsewhere, name), path))(folder);
  }
  expect(await loadError(folder)).toBeUndefined();
});
