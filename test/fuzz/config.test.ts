/** Fuzzes config files in YAML, TOML and JSON. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { parseConfig } from '../../src/config/parse.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes, mutatedJson } from './support/mutations.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const load = (extension: string) => async (bytes: Buffer) => {
  const source = join(folder, `config.${extension}`);
  await writeFile(source, bytes);
  return loadConfig({ source });
};

for (const extension of ['yaml', 'toml', 'json']) {
  const files = readCorpus(`config-${extension}`);
  replay(extension, [...files, ...jsonBombs], load(extension));
  fuzz(extension, mutatedBytes(files.map(({ bytes }) => bytes)), load(extension));
}

const [good] = readCorpus('config-json');
fuzz('settings', mutatedJson(JSON.parse(String(good?.bytes))), (value) => parseConfig(value as never));
