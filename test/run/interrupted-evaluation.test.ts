/** A cancelled evaluation keeps the update and stores its line in the checkpoint; the resumed run evaluates first. */
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { bestCheckpoint } from '../../src/run/checkpoint.js';
import type { MetricsRow } from '../../src/run/metrics.js';
import { openRun } from '../../src/run/run.js';
import { type TrainResult, train } from '../../src/run/train.js';
import type { TaskFamily } from '../../src/task/task.js';
import { oneRung } from '../support/ladder.js';
import { DigitPolicy, digitEmbedder } from './support/digit-policy.js';

let root = '';
let model = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-interrupted-'));
  model = join(root, 'model');
  await new DigitPolicy().save(model);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const family = oneRung as TaskFamily;
const updates = 6;

interface Attempt {
  readonly path: string;
  readonly resume?: boolean;
  /** Update during whose evaluation the run is stopped; that evaluation ends only by its signal. */
  readonly during?: number;
}

async function trainOnce({
  path,
  resume = false,
  during,
}: Attempt): Promise<{ result: TrainResult; rows: MetricsRow[] }> {
  const config = parseConfig({
    ...{ task: 'one-rung', model, updates, startsPerBatch: 3, groupSize: 4, optimizer: { learningRate: 0.5 } },
    ...{ buffer: { capacity: 8, minimumFill: 2 }, checkpoint: { every: 0 }, traces: 'all', tensorboard: true },
    ...{ best: { metric: 'eval_reward' }, evaluation: { every: 2 } },
  });
  const run = await openRun({ config, family, path, resume });
  const policy = await DigitPolicy.load(run.modelFolder);
  const stop = new AbortController();
  const evaluate = async (update: number): Promise<Record<string, number>> => {
    if (update !== during) return { eval_reward: update / 10 };
    setTimeout(() => stop.abort(), 5);
    return new Promise(() => {});
  };
  const rows: MetricsRow[] = [];
  try {
    const onUpdate = (row: MetricsRow): void => void rows.push(row);
    const evaluation = { every: 2, atStart: true, atEnd: true, evaluate };
    const signal = stop.signal;
    const result = await train({ config, policy, family, run, embedder: digitEmbedder, evaluation, onUpdate, signal });
    return { result, rows };
  } finally {
    await run.close();
  }
}

/** The results that must not depend on interruptions: the last checkpoint, metrics, traces. */
async function lasting(path: string): Promise<unknown> {
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const isTime = (key: string): boolean => key === 'step_time' || key.startsWith('perf/');
  const metrics = lines.map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isTime(key)));
  const last = join(path, `checkpoint-${updates}`);
  const { metricsBytes: _, ...state } = JSON.parse(await readFile(join(last, 'state.json'), 'utf8'));
  const weights = await readFile(join(last, 'model.safetensors'), 'utf8');
  return { metrics, state, weights, traces: await readFile(join(path, 'traces.jsonl'), 'utf8') };
}

describe('an evaluation that is interrupted', () => {
  test.each([0, 2, 4, 6])('after update %i ends at once, and the resumed run equals its twin', async (during) => {
    const [path, twin] = [join(root, 'run'), join(root, 'twin')];
    await trainOnce({ path: twin });
    const began = performance.now();
    const { result, rows } = await trainOnce({ path, during });
    expect(performance.now() - began).toBeLessThan(5000);
    expect(result).toMatchObject({ updates: during, finished: false, unevaluated: during > 0 });
    // The update's line is neither written nor reported before its evaluation has ended.
    expect(rows.map(({ update }) => update)).toEqual(
      Array.from({ length: Math.max(0, during - 1) }, (_, at) => at + 1),
    );
    const again = await trainOnce({ path, resume: true });
    expect(again.result).toMatchObject({ updates, finished: true, unevaluated: false, best: { update: 6 } });
    expect(await lasting(path)).toEqual(await lasting(twin));
    expect((await bestCheckpoint(path))?.update).toBe(6);
  });

  test('can be interrupted repeatedly', async () => {
    const [path, twin] = [join(root, 'run'), join(root, 'twin')];
    await trainOnce({ path: twin });
    await trainOnce({ path, during: 6 });
    for (let round = 0; round < 3; round++) {
      const { result, rows } = await trainOnce({ path, resume: true, during: 6 });
      expect(result).toMatchObject({ updates: 6, finished: false, unevaluated: true });
      expect(rows).toEqual([]);
    }
    await trainOnce({ path, resume: true });
    expect(await lasting(path)).toEqual(await lasting(twin));
    expect((await readdir(path)).filter((name) => name.startsWith('checkpoint-6'))).toEqual(['checkpoint-6']);
  });

  test('a crash while a checkpoint replaces another loses neither', async () => {
    const [path, twin] = [join(root, 'run'), join(root, 'twin')];
    await trainOnce({ path: twin });
    await trainOnce({ path, during: 6 });
    // The state between both renames.
    await rename(join(path, 'checkpoint-6'), join(path, 'checkpoint-6.replaced-1'));
    const { result } = await trainOnce({ path, resume: true });
    expect(result).toMatchObject({ updates: 6, finished: true });
    expect(await lasting(path)).toEqual(await lasting(twin));
    // The state before the old one is removed.
    await trainOnce({ path: join(root, 'other'), during: 6 });
    await rename(join(root, 'other', 'checkpoint-6'), join(path, 'checkpoint-6.replaced-1'));
    await trainOnce({ path, resume: true });
    expect(await lasting(path)).toEqual(await lasting(twin));
    expect((await readdir(path)).filter((name) => name.includes('replaced'))).toEqual([]);
  });
});
