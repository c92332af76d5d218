/** Fuzzes a hub's responses (description and file list) through a whole fetch on the loopback interface. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { fetchModel } from '../../src/hub/fetch.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes, mutatedJson } from './support/mutations.js';

const listings = readCorpus('hub-listing');
const descriptions = readCorpus('hub-model');
const good = (files: readonly { name: string; bytes: Buffer }[]): Buffer =>
  files.find(({ name }) => name === 'good.json')?.bytes ?? Buffer.alloc(0);

const answers = {
  listing: good(listings),
  description: good(descriptions),
  file: Buffer.from('{"model_type":"llama"}'),
};
let server: Server;
let root = '';
let url = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-'));
  server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path.includes('/tree/')) response.end(answers.listing);
    else response.end(path.includes('/resolve/') ? answers.file : answers.description);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(root, { recursive: true, force: true });
});

const repository = join('a', 'b', 'home', 'hub', 'models--owner--model');

/** Checks that every file of a fetch lies in the model's folder. */
async function requireInside(): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    expect(join(entry.parentPath, entry.name).startsWith(join(root, repository))).toBe(true);
  }
}

const answering = (which: 'listing' | 'description') => async (content: Buffer | string) => {
  const before = answers[which];
  answers[which] = Buffer.from(content);
  const environment = { HF_HOME: join(root, 'a', 'b', 'home'), HF_ENDPOINT: url };
  try {
    await fetchModel({ name: 'owner/model', revision: 'main' }, { environment, patienceMilliseconds: 2_000 });
  } finally {
    answers[which] = before;
    await requireInside();
    await rm(join(root, 'a'), { recursive: true, force: true });
  }
};

for (const [name, files, parse] of [
  ['listing', listings, answering('listing')],
  ['description', descriptions, answering('description')],
] as const) {
  replay(name, [...files, ...jsonBombs], parse);
  fuzz(`${name}-bytes`, mutatedBytes(files.map(({ bytes }) => bytes)), parse);
  fuzz(`${name}-values`, mutatedJson(JSON.parse(String(good(files)))), (value) =>
    parse(JSON.stringify(value) ?? 'null'),
  );
}
