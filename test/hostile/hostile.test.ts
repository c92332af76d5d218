/**
 * Hostile input through the command line: exit code 1 or 2, one clear message that names the file or the key, bounded
 * time and memory. The tests of the readers cover the details; these cover the command line.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { missingEngine } from '../cli/support/cli.js';
import { cafeModel, inJson, listing, modelFolder, type Outcome, outcomeOf } from './support.js';

const root = mkdtempSync(join(tmpdir(), 'exit-rl-hostile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Limits for a busy machine; the process alone needs a second and 150 MiB. */
const limits = { seconds: 60, peak: 700 } as const;

function requireClean({ code, stderr, seconds, peak }: Outcome, said: RegExp): void {
  expect(stderr).toMatch(said);
  expect([1, 2]).toContain(code);
  expect(stderr.replace(/^warning: .*\n/gm, '').startsWith('error: ')).toBe(true);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stderr.length).toBeLessThan(4000);
  expect(seconds).toBeLessThan(limits.seconds);
  expect(peak).toBeLessThan(limits.peak);
}

const header = (length: bigint, text = '{}'): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return Buffer.concat([bytes, Buffer.from(text)]);
};
const inFolder = (name: string, act: (file: string) => void) => (folder: string) => act(join(folder, name));
const weights = 'model.safetensors';
const replaceBy = (name: string, act: (file: string) => void) =>
  inFolder(name, (file) => {
    unlinkSync(file);
    act(file);
  });
const bytesOf = (name: string, content: string | Buffer) => inFolder(name, (file) => writeFileSync(file, content));

type Case = readonly [name: string, change: (folder: string) => void, said: RegExp];

const folders: readonly Case[] = [
  ['no config', inFolder('config.json', unlinkSync), /config\.json/],
  ['a config that is no JSON', bytesOf('config.json', '{"a":'), /config\.json/],
  ['a config nested 100,000 deep', bytesOf('config.json', '['.repeat(100_000)), /config\.json/],
  [
    'absurd integers',
    inJson('config.json', (c) => ({ ...c, num_hidden_layers: 2 ** 24, hidden_size: 2 ** 24 })),
    /config\.json|hidden_size/,
  ],
  ['a size beyond all numbers', inJson('config.json', (c) => ({ ...c, vocab_size: 1e300 })), /vocab_size/],
  ['a header bomb', bytesOf(weights, header(2n ** 63n)), /model\.safetensors.*header/],
  ['truncated weights', inFolder(weights, (file) => truncateSync(file, 1000)), /model\.safetensors/],
  ['weights that are a fifo', replaceBy(weights, (file) => spawnSync('mkfifo', [file])), /not a regular file/],
  ['weights that are a link to nowhere', replaceBy(weights, (file) => symlinkSync('/nowhere', file)), /safetensors/],
  ['weights that are endless', replaceBy(weights, (file) => symlinkSync('/dev/zero', file)), /not a regular file/],
  [
    'a shard outside the folder',
    (folder) => {
      unlinkSync(join(folder, weights));
      writeFileSync(join(folder, `${weights}.index.json`), '{"weight_map":{"a":"../../x.safetensors"}}');
    },
    /index\.json.*not a safetensors file of the folder/,
  ],
  ['no tokenizer', inFolder('tokenizer.json', unlinkSync), /tokenizer\.json/],
  [
    'a tokenizer whose library panics',
    inJson('tokenizer.json', (json) => ({
      ...json,
      normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
    })),
    /tokenizer\.json/,
  ],
  [
    'end tokens that are none',
    bytesOf('generation_config.json', '{"eos_token_id":["</s>"]}'),
    /generation_config\.json.*eos_token_id/,
  ],
];

const templates: readonly Case[] = [
  [
    'a template that loops',
    bytesOf(
      'chat_template.jinja',
      '{% for a in range(99999999) %}{% for b in range(99999999) %}{% endfor %}{% endfor %}',
    ),
    /chat_template\.jinja/,
  ],
  [
    'a template that builds gigabytes',
    bytesOf(
      'chat_template.jinja',
      `{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}`,
    ),
    /chat_template\.jinja/,
  ],
  ['a template that cannot be parsed', bytesOf('chat_template.jinja', '{% for %}{{'), /chat_template\.jinja/],
];

describe.skipIf(missingEngine !== undefined)('hostile model folders', () => {
  test.each(folders)(
    '%s',
    async (name, change, said) => {
      const folder = modelFolder(join(root, name), change);
      requireClean(
        await outcomeOf(['generate', '--model', folder, '--prompt', 'solve', '--max-new-tokens', '2']),
        said,
      );
    },
    120_000,
  );

  test.each(templates)(
    '%s',
    async (name, change, said) => {
      const folder = modelFolder(join(root, name), change, cafeModel);
      const input = join(root, 'chat.jsonl');
      writeFileSync(input, '{"prompt":[{"role":"user","content":"Drink with no tea."}]}\n');
      requireClean(await outcomeOf(['generate', '--model', folder, '--input', input, '--max-new-tokens', '2']), said);
    },
    120_000,
  );
});

const row = JSON.stringify({ prompt: '<bos> solve a1 b2 c3 d4 e5 a6 b1 c2 d3 e4 previous a? b? c? d? e? answer' });
const small = { model: 'models/tiny', updates: 3, startsPerBatch: 2, groupSize: 2, sampling: { maxNewTokens: 3 } };

/** Writes a run over one row with these files beside it. */
function trainWith(name: string, files: Readonly<Record<string, string | Buffer>>, settings: object): string[] {
  const folder = mkdtempSync(join(root, 'run-'));
  writeFileSync(join(folder, 'rows.jsonl'), `${row}\n`);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  const text = JSON.stringify({ ...small, data: { train: join(folder, 'rows.jsonl') }, ...settings });
  writeFileSync(join(folder, 'config.json'), text.replaceAll('HERE', folder));
  return ['train', join(folder, 'config.json'), '--threads', '1', '--out', join(folder, name.replaceAll(' ', '-'))];
}

const reward = (body: string): Readonly<Record<string, string>> => ({
  'reward.mjs': `export default function reward({ texts }) { ${body} }`,
});
const good = reward('return texts.map(() => 1);');
const rewarded = { rewards: [{ file: 'HERE/reward.mjs', timeoutSeconds: 1 }], method: 'grpo' };

describe.skipIf(missingEngine !== undefined)('hostile data, configs and rewards', () => {
  test.each([
    ['a bad line', { ...good, 'rows.jsonl': `${row}\n{"prompt":\n` }, rewarded, /rows\.jsonl.*2/],
    ['a line of 200 MB', { ...good, 'rows.jsonl': Buffer.alloc(200_000_000, 0x20) }, rewarded, /rows\.jsonl/],
    ['rows nested deep', { ...good, 'rows.jsonl': `{"prompt":${'['.repeat(50_000)}` }, rewarded, /rows\.jsonl/],
    [
      'a Parquet file that is none',
      { ...good, 'rows.parquet': 'PAR1 PAR1' },
      { ...rewarded, data: { train: 'HERE/rows.parquet' } },
      /rows\.parquet/,
    ],
    ['an unknown key', {}, { updatez: 3, ...rewarded }, /updatez.*did you mean `updates`/s],
    ['a reward that is no module', { 'reward.mjs': 'export default 3' }, rewarded, /reward/],
    ['a reward of NaN', reward('return texts.map(() => NaN);'), rewarded, /reward/],
    ['a reward of infinity', reward('return texts.map(() => Infinity);'), rewarded, /reward/],
    ['rewards of the wrong length', reward('return [1];'), rewarded, /reward/],
    ['a reward that throws', reward("throw new Error('broken');"), rewarded, /broken/],
    ['a reward that never settles', reward('return new Promise(() => {});'), rewarded, /took longer than 1 s/],
    ['a reward that loops', reward('for (;;);'), rewarded, /took longer than 1 s/],
  ] as const)(
    '%s',
    async (name, files, settings, said) => {
      requireClean(await outcomeOf(trainWith(name, files as Record<string, string>, settings)), said);
    },
    180_000,
  );

  test('a refused resume leaves the run folder unchanged', async () => {
    const args = trainWith('good', reward('return texts.map((_, at) => at % 2);'), {
      ...rewarded,
      overlongFilter: false,
    });
    const run = args.at(-1) as string;
    const made = await outcomeOf(args);
    expect({ code: made.code, stderr: made.stderr.includes('error') }).toEqual({ code: 0, stderr: false });
    const before = listing(run).filter((line) => !line.startsWith('run.lock'));
    requireClean(await outcomeOf(['train', '--resume', run, '--updates', '9', '--groupSize', '7']), /groupSize/);
    requireClean(await outcomeOf([...args]), /already holds a run/);
    expect(listing(run).filter((line) => !line.startsWith('run.lock'))).toEqual(before);
  }, 180_000);
});
