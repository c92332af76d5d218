/** Config files: texts and numbers of YAML by the type of their key, and what no reader may lose. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import type { RunConfig } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(extension: string, text: string, flags: Record<string, unknown> = {}): Promise<RunConfig> {
  const source = join(folder, `config.${extension}`);
  await writeFile(source, text);
  return loadConfig({ source, flags: { task: 'code-breaker', model: 'm', ...flags } });
}

const messageOf = (extension: string, text: string, flags = {}): Promise<string> =>
  load(extension, text, flags).then(
    () => 'accepted',
    (error: unknown) => (ConfigError.isInstance(error) ? error.message : `not a ConfigError: ${error}`),
  );

describe('a plain scalar of YAML', () => {
  test.each([
    ['name: 007', 'name', '007'],
    ['name: 1.50', 'name', '1.50'],
    ['name: "007"', 'name', '007'],
    ['seed: 007', 'seed', 7],
    ['seed: 0x10', 'seed', 16],
    ['tensorboard: Yes', 'tensorboard', true],
    ['tensorboard: off', 'tensorboard', false],
    ['dynamicSampling: off', 'dynamicSampling', 'off'],
    ['replayProbability: 5e-1', 'replayProbability', 0.5],
    ['replayProbability: .5', 'replayProbability', 0.5],
  ])('%s', async (text, key, value) => {
    expect(await load('yaml', text)).toMatchObject({ [key]: value });
  });

  test.each([
    ['seed: 1:30', /seed: must be a number, not the text '1:30'/],
    ['seed: 1_000', /seed: must be a number, not the text '1_000'/],
    ['seed: 010', /seed: 010 is 8 in YAML 1\.1 and 10 in YAML 1\.2/],
    ['seed: "7"', /seed: must be a number, not the text '7'/],
    ['tensorboard: "yes"', /tensorboard: must be true or false, not the text 'yes'/],
    ['seed: 1\n---\nseed: 2', /cannot be read/],
    ['a: &a [1]\nseed: *b', /cannot be read: Unresolved alias/],
    ['seed: .inf', /seed: must be a finite number, not Infinity/],
  ])('%j is refused', async (text, message) => {
    expect(await messageOf('yaml', text)).toMatch(message);
  });
});

test('anchors and merge keys count as what they stand for', async () => {
  const text = 'chat:\n  variables: &all {a: 1}\nsampling: &s {topK: 3}\nobjective: {kl: {<<: {beta: 0.1}}}';
  const config = await load('yaml', text);
  expect(config.objective.kl.beta).toBe(0.1);
  expect(config.chat.variables).toEqual({ a: 1 });
});

test('a date of TOML is its text', async () => {
  expect((await load('toml', '[chat]\ndate = 2025-03-01')).chat.date).toBe('2025-03-01');
});

test('a problem names the source of its value', async () => {
  const file = 'updates: 0.5\nnum_generations: 0\n';
  expect(await messageOf('yaml', file)).toMatch(
    /config\.yaml: 2 problems\n {2}updates: .*\n {2}groupSize: .* \[num_generations\]$/,
  );
  const mixed = await messageOf('yaml', file, { seed: -1 });
  expect(mixed).toMatch(/^3 problems\n {2}seed: .* \[flags\]\n {2}updates: .* \[.*config\.yaml\]\n/);
  expect(await messageOf('yaml', 'buffer: {capacity: 9}')).toMatch(/minimumFill: must not exceed .* \[default\]$/);
  const environment = { EXIT_RL_SEED: '-1', EXIT_RL_THREADS: '1.5' };
  const error = await loadConfig({ source: 'code-breaker', environment }).catch((thrown: unknown) => thrown);
  expect((error as ConfigError).problems.map(({ key, source }) => [key, source])).toEqual([
    ['seed', 'EXIT_RL_SEED'],
    ['threads', 'EXIT_RL_THREADS'],
  ]);
});

test.each([
  ['number.json', '9007199254740993'],
  ['small.json', '3'],
  ['word.yaml', 'hello'],
  ['list.yaml', '- a'],
  ['empty.yaml', ''],
  ['text.json', '"a"'],
])('a file without settings is refused: %s', async (name, text) => {
  const file = join(folder, name);
  await writeFile(file, text);
  await expect(loadConfig({ source: file })).rejects.toThrow(/holds no settings/);
});
