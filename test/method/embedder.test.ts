/** ExIt runs whose diversity bonus measures with a model, or with the policy's own states: computed, and resumed bit for bit. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig, type RunConfig, type RunConfigInput } from '../../src/config/parse.js';
import { LocalEmbedder } from '../../src/embedder/local-embedder.js';
import { openEmbedder } from '../../src/embedder/open.js';
import { ConfigError, ModelFolderError, RunFolderError } from '../../src/errors.js';
import { measureDiversity, plainDiversity, splitRows } from '../../src/method/diversity.js';
import type { Group } from '../../src/method/group.js';
import type { MetricsRow } from '../../src/run/metrics.js';
import { missingEngine } from '../cli/support/cli.js';
import { largestGap, modelFolder } from '../golden/support.js';
import { DigitPolicy } from '../run/support/digit-policy.js';
import { lasting, stoppedAfter } from '../run/support/lasting.js';
import { trainWords } from '../run/support/words.js';

const updates = 6;
const encoder = join(import.meta.dirname, '../golden/embedders/modernbert-new');

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-embedder-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

type Choice = string | Readonly<Record<string, unknown>>;

/** Trains or resumes a run; returns the metrics of every update that the run folder holds. */
async function run(embedder: Choice, path: string, { resume = false, turns = 1 } = {}): Promise<MetricsRow[]> {
  const changes = { diversity: { embedder } };
  await trainWords({ path, updates, checkpoint: { every: 3 }, turns, resume, changes });
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

const settingsOf = (embedder: Choice): RunConfig['diversity'] =>
  parseConfig({ task: 'words', model: modelFolder('llama-tied'), diversity: { embedder } } as RunConfigInput).diversity;

const model = { model: encoder, device: 'cpu', threads: 1 };

describe.skipIf(missingEngine !== undefined)('an ExIt run', () => {
  test.each([
    ['an encoder', model, 1],
    ["the policy's mean state", 'policy', 2],
    ["the policy's last state", 'policy-last-token', 1],
  ] as const)('measures diversity with %s, and resumes to the same bytes', async (_, embedder, turns) => {
    const [twin, stopped] = [join(root, 'twin'), join(root, 'stopped')];
    const rows = await run(embedder, twin, { turns });
    // Three different answers have different distances: a bonus that did nothing would be 1 for all.
    expect(rows.some((row) => row['diversity/max'] !== 1)).toBe(true);
    expect(rows.every((row) => Number.isFinite(row['diversity/mean']))).toBe(true);
    await stoppedAfter(3, twin, stopped);
    await run(embedder, stopped, { resume: true, turns });
    expect(await lasting(stopped)).toEqual(await lasting(twin));
  });

  test('reports the hit rate of the vector cache', async () => {
    const rows = await run(model, join(root, 'run'));
    const rate = rows.at(-1)?.['perf/embedding_cache_hit_rate'] ?? Number.NaN;
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(1);
  });

  test('refuses to resume with an embedder whose files changed', async () => {
    const folder = join(root, 'encoder');
    await cp(encoder, folder, { recursive: true });
    await run({ ...model, model: folder }, join(root, 'run'));
    const file = join(folder, '1_Pooling/config.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"cls"', '"mean"'));
    const again = run({ ...model, model: folder }, join(root, 'run'), { resume: true });
    await expect(again).rejects.toBeInstanceOf(RunFolderError);
    await expect(again).rejects.toThrow(/embedder \(/);
  });

  test('refuses an embedder folder that cannot be read', async () => {
    const running = run({ ...model, model: join(root, 'nowhere') }, join(root, 'run'));
    await expect(running).rejects.toBeInstanceOf(ModelFolderError);
  });
});

describe.skipIf(missingEngine !== undefined)('the diversity factors', () => {
  test("equal the plain formula on the encoder's vectors", async () => {
    const answers = ['a1 b2 c3', 'c3 b2 a1', 'something else entirely', 'a1 b2 c4'];
    const group = groupOf(answers);
    const embedder = await openEmbedder(settingsOf(model), new DigitPolicy());
    const local = await LocalEmbedder.load(encoder, { device: 'cpu', threads: 1 });
    try {
      const [factors] = await measureDiversity([group], embedder, 3);
      const plain = plainDiversity(splitRows(await local.embed(answers), local.dimension), { clamp: 3 });
      expect(largestGap(factors ?? [], plain)).toBeLessThan(1e-5);
      expect(new Set(factors).size).toBeGreaterThan(1);
    } finally {
      await embedder.close?.();
      await local.close();
    }
  });

  test('need a policy that returns its hidden states', async () => {
    const opening = openEmbedder(settingsOf('policy'), new DigitPolicy());
    await expect(opening).rejects.toBeInstanceOf(ConfigError);
    await expect(opening).rejects.toThrow(/diversity\.embedder: this policy does not return its hidden states/);
  });
});

/** A group whose rollouts answered `texts`; only what `measureDiversity` reads. */
function groupOf(texts: readonly string[]): Group {
  const rollouts = texts.map((text) => ({
    history: { turns: [{ iterates: [{ text, feedback: undefined }] }] },
    turns: [{ promptTokens: Int32Array.of(1), completion: { tokens: Int32Array.of(1) } }],
  }));
  return { rollouts } as unknown as Group;
}
