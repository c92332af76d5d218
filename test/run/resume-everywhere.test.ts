/**
 * Stops forty updates after each of them and resumes with new objects: weights, optimizer, reference, buffer, traces and
 * metrics equal those of the uninterrupted run byte for byte.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingEngine } from '../cli/support/cli.js';
import { lasting, stoppedAfter } from './support/lasting.js';
import { quickFolder } from './support/temporary.js';
import { trainWords } from './support/words.js';

const updates = 40;

interface Mode {
  readonly name: string;
  readonly turns: number;
  /** Updates between the stops. */
  readonly every?: number;
  readonly changes?: Record<string, unknown>;
}

const modes: readonly Mode[] = [
  {
    name: 'adaptive entropy and a reference',
    turns: 1,
    changes: {
      objective: {
        kl: { beta: 0.05 },
        entropy: { topShare: 0.5, control: { kind: 'adaptive', target: 1.5, change: 0.01 } },
      },
    },
  },
  { name: 'multi-turn', turns: 3 },
  {
    name: 'an adapter, with a reference',
    turns: 1,
    changes: { lora: { rank: 4, alpha: 16 }, objective: { kl: { beta: 0.05 } }, optimizer: { learningRate: 3e-2 } },
  },
  {
    // Libtorch's generator draws the dropout masks, and each resumed run seeds it again. The last digits of libtorch's
    // products depend on the batch, so there is one request at a time.
    name: 'an adapter with dropout and recomputed activations',
    turns: 1,
    every: 7,
    changes: {
      lora: { rank: 4, alpha: 16, dropout: 0.2 },
      startsPerBatch: 1,
      gradientCheckpointing: true,
      optimizer: { learningRate: 3e-2 },
    },
  },
];

async function run(mode: Mode, path: string, resume: boolean): Promise<void> {
  const checkpoint = resume ? { every: 0 } : { every: 1, keep: updates };
  const { finished } = await trainWords({ ...mode, path, updates, checkpoint, resume });
  expect(finished).toBe(true);
}

describe.skipIf(missingEngine !== undefined).each(modes)('$name', (mode) => {
  let root = '';
  const twin = (): string => join(root, 'twin');
  beforeAll(async () => {
    root = await quickFolder('resume');
    await run(mode, twin(), false);
  }, 120_000);
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('the uninterrupted run replays histories from the buffer and learns', async () => {
    const expected = await lasting(twin());
    const names = Array.from({ length: updates }, (_, at) => `checkpoint-${at + 1}`);
    expect(await readdir(twin())).toEqual(expect.arrayContaining(names));
    const { curriculum } = JSON.parse(expected['state.json'] ?? '');
    expect(JSON.stringify(curriculum)).toContain('iterates');
    expect(expected['traces.jsonl']).toContain('"intent":"improve"');
    const weights = mode.changes?.lora ? 'adapter_model.safetensors' : 'model.safetensors';
    expect(expected[weights]).not.toBe((await readFile(join(twin(), 'checkpoint-1', weights))).toString('base64'));
  });

  const { every = 1 } = mode;
  test(`ends with the same bytes when resumed after each of ${updates - 1} updates (every ${every})`, async () => {
    const expected = await lasting(twin());
    for (let k = 1; k < updates; k += every) {
      const path = join(root, `stopped-${k}`);
      await stoppedAfter(k, twin(), path);
      await run(mode, path, true);
      expect(await lasting(path), `resumed after update ${k}`).toEqual(expected);
      await rm(path, { recursive: true });
    }
  }, 300_000);
});
