/**
 * Forty updates, stopped after each of them and resumed with fresh objects: weights, optimizer, reference, buffer,
 * traces and metrics are byte for byte those of the run that was not stopped.
 */
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyCheckpoint } from '../../src/trainer/manifest.js';
import { missingEngine } from '../cli/support/cli.js';
import { quickFolder } from './support/temporary.js';
import { trainWords } from './support/words.js';

const updates = 40;

interface Mode {
  readonly name: string;
  readonly turns: number;
  readonly changes?: Record<string, unknown>;
}

const modes: readonly Mode[] = [
  { name: 'single-turn, with a reference', turns: 1, changes: { objective: { beta: 0.05 } } },
  { name: 'multi-turn', turns: 3 },
  {
    name: 'an adapter, with a reference',
    turns: 1,
    changes: { lora: { rank: 4, alpha: 16 }, objective: { beta: 0.05 }, optimizer: { learningRate: 3e-2 } },
  },
];

async function run(mode: Mode, path: string, resume: boolean): Promise<void> {
  const checkpoint = resume ? { every: 0 } : { every: 1, keep: updates };
  const { finished } = await trainWords({ ...mode, path, updates, checkpoint, resume });
  expect(finished).toBe(true);
}

const isTime = (key: string): boolean => key === 'step_time' || key.startsWith('perf/');

/** All of a finished run that must not depend on interruptions: every file of the last checkpoint, traces, metrics. */
async function lasting(path: string): Promise<Record<string, string>> {
  const last = join(path, `checkpoint-${updates}`);
  const names = Object.keys((await verifyCheckpoint(last)).files);
  const files = await Promise.all(
    names.map(async (name) => [name, (await readFile(join(last, name))).toString('base64')]),
  );
  // The length of metrics.jsonl varies with the digits of its times, how often was saved is not what is compared.
  const { metricsBytes: _, identity, ...state } = JSON.parse(await readFile(join(last, 'state.json'), 'utf8'));
  const { checkpoint: __, ...config } = identity.config;
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const metrics = lines.map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isTime(key)));
  return {
    ...Object.fromEntries(files),
    'state.json': JSON.stringify({ ...state, identity: { ...identity, config } }),
    'metrics.jsonl': JSON.stringify(metrics),
    'traces.jsonl': await readFile(join(path, 'traces.jsonl'), 'utf8'),
  };
}

/** A run folder as a kill after update `k` leaves it: its checkpoint, and lines that go on for a while. */
async function stoppedAfter(k: number, twin: string, path: string): Promise<void> {
  await mkdir(path);
  for (const name of ['config.json', 'metrics.jsonl', 'traces.jsonl', `checkpoint-${k}`])
    await cp(join(twin, name), join(path, name), { recursive: true });
}

describe.skipIf(missingEngine !== undefined).each(modes)('$name', (mode) => {
  let root = '';
  const twin = (): string => join(root, 'twin');
  beforeAll(async () => {
    root = await quickFolder('resume');
    await run(mode, twin(), false);
  }, 120_000);
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('the run is worth stopping: it replays histories from the buffer and learns', async () => {
    const expected = await lasting(twin());
    const names = Array.from({ length: updates }, (_, at) => `checkpoint-${at + 1}`);
    expect(await readdir(twin())).toEqual(expect.arrayContaining(names));
    const { curriculum } = JSON.parse(expected['state.json'] ?? '');
    expect(JSON.stringify(curriculum)).toContain('iterates');
    expect(expected['traces.jsonl']).toContain('"intent":"improve"');
    const weights = mode.changes?.lora ? 'adapter_model.safetensors' : 'model.safetensors';
    expect(expected[weights]).not.toBe((await readFile(join(twin(), 'checkpoint-1', weights))).toString('base64'));
  });

  test(`resumed after each of ${updates - 1} updates, it ends with the same bytes`, async () => {
    const expected = await lasting(twin());
    for (let k = 1; k < updates; k++) {
      const path = join(root, `stopped-${k}`);
      await stoppedAfter(k, twin(), path);
      await run(mode, path, true);
      expect(await lasting(path), `resumed after update ${k}`).toEqual(expected);
      await rm(path, { recursive: true });
    }
  }, 300_000);
});
