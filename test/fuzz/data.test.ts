/** Fuzzes data files in JSON Lines, JSON, CSV, gzip, Parquet and Arrow through `loadData`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { loadData } from '../../src/data/load-data.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes } from './support/mutations.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = { testShare: 0.2, limit: 0, splitSeed: 0, promptColumn: 'prompt', chat: true, systemPrompt: 'Hi.' };
const load = (extension: string) => async (bytes: Buffer) => {
  const file = join(folder, `rows.${extension}`);
  await writeFile(file, bytes);
  return loadData({ ...settings, train: [file] });
};

const binary = ['parquet', 'arrow', 'feather', 'jsonl.gz'];
for (const extension of ['jsonl', 'json', 'csv', ...binary]) {
  const files = readCorpus(`data-${extension.replace('.', '-')}`);
  replay(extension, binary.includes(extension) ? files : [...files, ...jsonBombs], load(extension));
  fuzz(extension, mutatedBytes(files.map(({ bytes }) => bytes)), load(extension));
}
