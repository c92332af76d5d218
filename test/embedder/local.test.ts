/** Vectors of sentence-transformers folders against sentence-transformers' own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LocalEmbedder, type LocalEmbedderOptions } from '../../src/embedder/local-embedder.js';
import { CancelledError, InvalidRequestError, PolicyClosedError } from '../../src/errors.js';
import { largestGap } from '../golden/support.js';

const golden = join(import.meta.dirname, '../golden');
const folderOf = (name: string): string => join(golden, 'embedders', name);

interface Case {
  readonly options: Pick<LocalEmbedderOptions, 'prompt' | 'promptName'>;
  readonly vectors: readonly (readonly number[])[];
}

const { texts, ...folders } = JSON.parse(readFileSync(join(golden, 'embedders.json'), 'utf8')) as {
  readonly texts: readonly string[];
} & Readonly<Record<string, readonly Case[]>>;

const open: LocalEmbedder[] = [];

async function load(name: string, options: LocalEmbedderOptions = {}): Promise<LocalEmbedder> {
  const embedder = await LocalEmbedder.load(folderOf(name), { device: 'cpu', threads: 2, ...options });
  open.push(embedder);
  return embedder;
}

afterAll(async () => {
  await Promise.all(open.map((embedder) => embedder.close()));
});

const names = Object.keys(folders);

test('covers every folder of the generator', () => {
  expect(names.length).toBe(9);
});

describe.each(names)('%s', (name) => {
  const cases = (folders as Readonly<Record<string, readonly Case[]>>)[name] ?? [];

  test.each(['kernels', 'torch'] as const)("equals sentence-transformers' vectors on %s", async (backend) => {
    for (const { options, vectors } of cases) {
      const embedder = await load(name, { backend, ...options });
      const found = await embedder.embed(texts);
      expect(embedder.dimension).toBe(vectors[0]?.length);
      expect(largestGap(found, vectors.flat()), JSON.stringify(options)).toBeLessThan(1e-4);
    }
  });

  test('is bit-identical in any batch and on any number of threads', async () => {
    const together = await (await load(name)).embed(texts);
    const alone = await load(name, { threads: 1, cacheSize: 0 });
    for (const [at, text] of texts.entries()) {
      const own = await alone.embed([text]);
      expect(own).toEqual(together.slice(at * alone.dimension, (at + 1) * alone.dimension));
    }
  });
});

describe('prompts', () => {
  test('refuses an unknown name and lists the known ones', async () => {
    const loading = LocalEmbedder.load(folderOf('bert-new'), { device: 'cpu', promptName: 'quary' });
    await expect(loading).rejects.toThrow(/`quary` is none of the folder's prompts \(.*`passage`, `query`\)/);
    await expect(loading).rejects.toBeInstanceOf(InvalidRequestError);
  });

  test('reports the prompt in effect', async () => {
    expect((await load('bert-new')).info().prompt).toBe('query: ');
    expect((await load('bert-new', { prompt: '' })).info().prompt).toBe('');
    expect((await load('bert-new', { promptName: 'passage' })).info().prompt).toBe('passage of a document: ');
  });
});

describe('length', () => {
  test("cuts at the caller's length, never later than the folder's", async () => {
    expect((await load('minilm-old')).info().maxTokens).toBe(48);
    expect((await load('minilm-old', { maxTokens: 500 })).info().maxTokens).toBe(48);
    const short = await load('minilm-old', { maxTokens: 5 });
    const [few, many] = ['one two three', `one two three ${'four '.repeat(50)}`];
    expect(await short.embed([few])).toEqual(await short.embed([many]));
  });
});

describe('the cache', () => {
  test('computes equal texts once and reuses their vectors', async () => {
    const embedder = await load('minilm-old', { cacheSize: 2 });
    const first = await embedder.embed(['a', 'b', 'a']);
    expect(embedder.cacheStatistics()).toEqual({ hits: 0, misses: 3, size: 2 });
    expect(first.slice(0, 32)).toEqual(first.slice(64));
    expect(await embedder.embed(['b', 'a'])).toEqual(
      Float32Array.from([...first.slice(32, 64), ...first.slice(0, 32)]),
    );
    expect(embedder.cacheStatistics()).toEqual({ hits: 2, misses: 3, size: 2 });
    await embedder.embed(['c']);
    await embedder.embed(['b']);
    // `b` was used longest ago when `c` came.
    expect(embedder.cacheStatistics()).toEqual({ hits: 2, misses: 5, size: 2 });
  });
});

describe('life', () => {
  test('returns no vectors for no texts', async () => {
    expect(await (await load('minilm-old')).embed([])).toEqual(new Float32Array());
  });

  test('stops between slices on a signal and stays usable', async () => {
    const embedder = await load('modernbert-new', { threads: 1, cacheSize: 0 });
    const many = Array.from({ length: 400 }, (_, at) => `${at} ${'word '.repeat(100)}`);
    const stop = new AbortController();
    const work = embedder.embed(many, stop.signal);
    setTimeout(() => stop.abort(), 5);
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    await expect(embedder.embed(['x'], stop.signal)).rejects.toBeInstanceOf(CancelledError);
    expect((await embedder.embed(['x'])).length).toBe(embedder.dimension);
  });

  test('close waits for earlier work, closes once and refuses later calls', async () => {
    const embedder = await LocalEmbedder.load(folderOf('qwen3-embedding'), { device: 'cpu', threads: 1 });
    const work = embedder.embed(texts);
    const closed = embedder.close();
    expect(embedder.close()).toBe(closed);
    expect((await work).length).toBe(texts.length * embedder.dimension);
    await closed;
    await expect(embedder.embed(['x'])).rejects.toBeInstanceOf(PolicyClosedError);
  });
});
