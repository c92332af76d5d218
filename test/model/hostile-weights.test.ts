/** Malformed weight files give a typed error that names the file, in bounded time and memory. */
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OutOfMemoryError } from '../../src/errors.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { openPolicy, toTokenBatch } from '../golden/support.js';
import { type Attack, refused, replace } from '../support/attacks.js';
import { changeJson, copyModel, loadError } from '../support/model-folder.js';
import { changeHeader, type Entry, type Header, writeSafetensors } from '../support/safetensors.js';

const weights = 'model.safetensors';
const index = 'model.safetensors.index.json';
const shard = (number: number): string => `model-0000${number}-of-00003.safetensors`;

/** The header entry of a weight that every fixture has. */
const norm = (header: Header): Entry => header['model.norm.weight'] as Entry;

/** Sets one fp32 number of the final norm. */
const poison = (file: string, value: number): void => {
  const content = readFileSync(file);
  const length = Number(content.readBigUInt64LE(0));
  const [start] = norm(JSON.parse(content.toString('utf8', 8, 8 + length))).data_offsets;
  content.writeFloatLE(value, 8 + length + start);
  writeFileSync(file, content);
};

const inFile = (change: (file: string) => void) => (folder: string) => change(join(folder, weights));
const header = (change: (header: Header) => unknown) => inFile((file) => changeHeader(file, change));
const inMap = (change: (map: Record<string, unknown>) => void) => (folder: string) => {
  const json = JSON.parse(readFileSync(join(folder, index), 'utf8'));
  change(json.weight_map);
  writeFileSync(join(folder, index), JSON.stringify(json));
};
const files: Attack[] = [
  ['an empty file', 'llama-tied', inFile((file) => truncateSync(file, 0)), /model\.safetensors.*too few/],
  ['a few bytes', 'llama-tied', inFile((file) => truncateSync(file, 7)), /too few/],
  ['a file cut in its header', 'llama-tied', inFile((file) => truncateSync(file, 100)), /ends within its header/],
  ['a file cut in its numbers', 'llama-tied', inFile((file) => truncateSync(file, 60_000)), /bytes of numbers/],
  [
    'bytes after the numbers',
    'llama-tied',
    inFile((file) =>
      changeHeader(
        file,
        () => undefined,
        (data) => Buffer.concat([data, Buffer.alloc(9)]),
      ),
    ),
    /bytes of numbers/,
  ],
  [
    'a header of 2^63 bytes',
    'llama-tied',
    inFile((file) => writeFileSync(file, Buffer.from('ffffffffffffff7f7b7d', 'hex'))),
    /header states a length of 9223372036854775807 bytes/,
  ],
  ['a header that is no JSON', 'llama-tied', header(() => '{"a":'), /model\.safetensors/],
  ['a header that is nested without end', 'llama-tied', header(() => '['.repeat(1 << 20)), /model\.safetensors/],
  [
    'tensors that overlap',
    'llama-tied',
    header((all) => {
      norm(all).data_offsets[0] -= 64;
      norm(all).data_offsets[1] -= 64;
    }),
    /model\.safetensors/,
  ],
  [
    'offsets beyond the file',
    'llama-tied',
    header((all) => {
      norm(all).data_offsets = [2 ** 40, 2 ** 40 + 128];
    }),
    /model\.safetensors/,
  ],
  [
    'offsets that run backwards',
    'llama-tied',
    header((all) => {
      norm(all).data_offsets.reverse();
    }),
    /model\.safetensors/,
  ],
  [
    'a shape that its bytes do not hold',
    'llama-tied',
    header((all) => {
      norm(all).shape = [31];
    }),
    /model\.safetensors/,
  ],
  [
    'a shape that overflows',
    'llama-tied',
    header((all) => {
      norm(all).shape = [2 ** 52, 2 ** 52];
    }),
    /model\.safetensors/,
  ],
  [
    'another dtype',
    'llama-tied',
    header((all) => {
      norm(all).dtype = 'I32';
    }),
    /dtype I32; F32, BF16 and F16/,
  ],
  [
    'a weight of another shape',
    'llama-tied',
    header((all) => {
      norm(all).shape = [4, 8];
    }),
    /the file has \[4, 8\], the model needs \[32\]/,
  ],
  [
    'a weight that is missing',
    'llama-tied',
    header((all) => {
      all.other = norm(all);
      delete all['model.norm.weight'];
    }),
    /model\.norm\.weight.*is in no file/,
  ],
  [
    'a weight that config.json does not describe',
    'llama-tied',
    (folder) => changeJson(folder, 'config.json', { num_hidden_layers: 1 }),
    /`model\.layers\.1\..*is not part of the model/,
  ],
  [
    'a bias that the config does not have',
    'llama-bias',
    (folder) => changeJson(folder, 'config.json', { mlp_bias: false }),
    /_proj\.bias` is not part of the model/,
  ],
  ['NaN', 'llama-tied', inFile((file) => poison(file, Number.NaN)), /`model\.norm\.weight`.*NaN or infinity/],
  ['infinity', 'llama-tied', inFile((file) => poison(file, Number.POSITIVE_INFINITY)), /NaN or infinity/],
  [
    'pickled weights',
    'llama-tied',
    (folder) => renameSync(join(folder, weights), join(folder, 'pytorch_model.bin')),
    /`model\.safetensors` is missing/,
  ],
];

const shards: Attack[] = [
  [
    'a shard that is missing',
    'llama-yarn',
    (folder) => rmSync(join(folder, shard(2))),
    /model-00002-of-00003\.safetensors` is missing/,
  ],
  [
    'a shard that is cut',
    'llama-yarn',
    (folder) => truncateSync(join(folder, shard(3)), 10_000),
    /model-00003-of-00003/,
  ],
  [
    'the same weight in two shards',
    'llama-yarn',
    (folder) => writeFileSync(join(folder, shard(1)), readFileSync(join(folder, shard(2)))),
    /is in two files/,
  ],
  [
    'an index that names a path outside',
    'llama-yarn',
    inMap((map) => {
      map['model.norm.weight'] = '../elsewhere.safetensors';
    }),
    /not a safetensors file of the folder/,
  ],
  [
    'an index that names an absolute path',
    'llama-yarn',
    inMap((map) => {
      map['model.norm.weight'] = '/etc/hostname';
    }),
    /not a safetensors file of the folder/,
  ],
  [
    'an index that names a number',
    'llama-yarn',
    inMap((map) => {
      map['model.norm.weight'] = 7;
    }),
    /weight_map. has 7/,
  ],
  [
    'an index of nothing',
    'llama-yarn',
    replace(index, (path) => writeFileSync(path, '{"weight_map":{}}')),
    /names no files/,
  ],
  ['an index that is a list', 'llama-yarn', replace(index, (path) => writeFileSync(path, '[]')), /names no files/],
  [
    'an index of thousands of files',
    'llama-yarn',
    inMap((map) => {
      for (let at = 0; at < 5000; at++) map[`w${at}`] = `${at}.safetensors`;
    }),
    /at most 512/,
  ],
];

/** Attacks that replace each file that is read. */
refused({ weights: files, shards });

test('a sparse file of terabytes is refused before memory is allocated', async () => {
  const folder = copyModel('llama-tied');
  const [rows, width] = [2 ** 24, 2 ** 16];
  changeJson(folder, 'config.json', { vocab_size: rows, hidden_size: width, num_hidden_layers: 1 });
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [rows, width],
    'model.norm.weight': [width],
    'model.layers.0.input_layernorm.weight': [width],
    'model.layers.0.post_attention_layernorm.weight': [width],
    'model.layers.0.mlp.gate_proj.weight': [48, width],
    'model.layers.0.mlp.up_proj.weight': [48, width],
    'model.layers.0.mlp.down_proj.weight': [width, 48],
    'model.layers.0.self_attn.q_proj.weight': [32, width],
    'model.layers.0.self_attn.k_proj.weight': [16, width],
    'model.layers.0.self_attn.v_proj.weight': [16, width],
    'model.layers.0.self_attn.o_proj.weight': [width, 32],
  };
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const start = end;
    end += 4 * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
  });
  const file = join(folder, weights);
  writeSafetensors(file, JSON.stringify(Object.fromEntries(entries)), Buffer.alloc(0));
  truncateSync(file, readFileSync(file).length + end);
  changeJson(folder, 'config.json', { head_dim: 8 });
  const error = await loadError(folder);
  expect(OutOfMemoryError.isInstance(error), String(error)).toBe(true);
  expect(String(error)).toMatch(/the weights need 439\d+ bytes/);
});

test.each<[string, (map: Record<string, unknown>) => void, string]>([
  [
    'names another shard',
    (map) => {
      map['model.norm.weight'] = map['model.norm.weight'] === shard(1) ? shard(2) : shard(1);
    },
    'model.norm.weight',
  ],
  [
    'promises more',
    (map) => {
      map['model.extra.weight'] = shard(1);
    },
    'model.extra.weight',
  ],
  [
    'lists less',
    (map) => {
      delete map['model.norm.weight'];
    },
    'model.norm.weight',
  ],
])('an index that %s is noted: the files count, as in transformers', async (_name, change, weight) => {
  const folder = copyModel('llama-yarn');
  inMap(change)(folder);
  const lines: string[] = [];
  const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1, onNotice: (line) => lines.push(line) });
  const batch = toTokenBatch([{ prompt: [1, 20], completion: [7, 41, 2] }]);
  const unchanged = await openPolicy('llama-yarn');
  expect(await policy.logprobs(batch)).toEqual(await unchanged.logprobs(batch));
  await policy.close();
  expect(lines).toEqual([expect.stringMatching(`index.json.*differs from the files, which count: .${weight}.$`)]);
});
