/** Fails every file operation of a run in turn: the error is typed and names path and fix, and no finished work is lost. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { type Disk, realDisk } from '../../src/disk/disk.js';
import { verifyCheckpoint } from '../../src/disk/manifest.js';
import { NativeError, RunFolderError } from '../../src/errors.js';
import { openRun } from '../../src/run/run.js';
import { train } from '../../src/run/train.js';
import type { TaskFamily } from '../../src/task/task.js';
import { oneRung } from '../support/ladder.js';
import { DigitPolicy, digitEmbedder } from './support/digit-policy.js';
import { lasting } from './support/lasting.js';
import { quickFolder } from './support/temporary.js';

const codes = ['EIO', 'ENOSPC', 'EACCES'] as const;
const updates = 4;
const family = oneRung as TaskFamily;

let root = '';
let model = '';
beforeAll(async () => {
  root = await quickFolder('failing');
  model = join(root, 'model');
  await new DigitPolicy().save(model);
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Failing {
  readonly disk: Disk;
  /** Operations so far. */
  readonly count: () => number;
  readonly failed: () => string | undefined;
}

/** Makes the operation at `place` fail; a write fails after half of its bytes. */
function failingDisk(place: number, code: string): Failing {
  let count = 0;
  let failed: string | undefined;
  const disk = Object.fromEntries(
    Object.entries(realDisk).map(([name, operation]) => [
      name,
      async (path: string, ...rest: unknown[]) => {
        if (count++ !== place) return (operation as (...all: unknown[]) => unknown)(path, ...rest);
        failed = `${name} ${path}`;
        const [content] = rest;
        if (name === 'write' || name === 'create' || name === 'append') {
          const half = Buffer.from(content as string).subarray(0, Math.floor((content as string).length / 2));
          await (operation as (...all: unknown[]) => unknown)(path, half);
        }
        throw Object.assign(new Error(`${code}: ${path}`), { code, syscall: name, path });
      },
    ]),
  );
  return { disk: disk as unknown as Disk, count: () => count, failed: () => failed };
}

interface Attempt {
  readonly path: string;
  readonly disk?: Disk;
  readonly resume?: boolean;
  readonly prepare?: (policy: DigitPolicy) => void;
}

/** Trains to the end or to the first failure; returns the finished checkpoints. */
async function attempt({ path, disk = realDisk, resume = false, prepare }: Attempt) {
  const config = parseConfig({
    task: 'one-rung',
    model,
    updates,
    startsPerBatch: 2,
    groupSize: 2,
    optimizer: { learningRate: 0.5 },
    buffer: { capacity: 4, minimumFill: 1 },
    checkpoint: { every: 1 },
    traces: 'all',
  });
  const finished: number[] = [];
  const run = await openRun({ config, family, path, resume, disk }).catch((error: unknown) => ({ error }));
  if ('error' in run) return { finished, error: run.error };
  const remember = (update: number): void => {
    finished.push(update);
    run.retention.remember(update);
  };
  const policy = run.resumed ? await DigitPolicy.load(run.modelFolder) : new DigitPolicy();
  prepare?.(policy);
  const watched = { ...run, retention: { ...run.retention, remember } };
  const work = async (): Promise<void> => {
    await train({ config, policy, family, embedder: digitEmbedder, run: watched });
  };
  const error = await work().then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const closing = await run.close().then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { finished, error: error ?? closing };
}

function expectTyped(error: unknown, failed: string): void {
  expect(RunFolderError.isInstance(error), `${failed}: ${error}`).toBe(true);
  const { path, fix } = (error as RunFolderError).fields;
  expect(String(path)).toContain(root);
  expect((error as RunFolderError).message).toContain(String(fix));
}

/** Removes the lock, which the next process would recover from a dead one; here the process still runs. */
const endProcess = (path: string): Promise<void> => rm(join(path, 'run.lock'), { force: true });

test('a run continues after each of its operations failed once', async () => {
  const twin = join(root, 'twin');
  const healthy = failingDisk(-1, '');
  expect((await attempt({ path: twin, disk: healthy.disk })).error).toBeUndefined();
  const expected = await lasting(twin);
  const operations = healthy.count();
  expect(operations).toBeGreaterThan(100);
  let failures = 0;
  for (let place = 0; place < operations; place++) {
    const path = join(root, `run-${place}`);
    const { disk, failed } = failingDisk(place, codes[place % codes.length] as string);
    const { error, finished } = await attempt({ path, disk });
    if (failed() === undefined) continue;
    failures += 1;
    if (error !== undefined) expectTyped(error, failed() ?? '');
    const kept = finished.slice(-2).map((update) => `checkpoint-${update}`);
    for (const name of kept.slice(error === undefined ? 0 : -1)) await verifyCheckpoint(join(path, name));
    await endProcess(path);
    const again = await attempt({ path, resume: true });
    expect(again.error, `resumed after ${failed()}`).toBeUndefined();
    expect(await lasting(path), `resumed after ${failed()}`).toEqual(expected);
    expect((await readdir(path)).filter((name) => /tmp|deleted|stale/.test(name))).toEqual([]);
    await rm(path, { recursive: true });
  }
  expect(failures).toBe(operations);
}, 120_000);

test('the checkpoint survives the failure of each operation of resuming', async () => {
  const path = join(root, 'resumed');
  const stop = (policy: DigitPolicy): void => {
    let left = 3;
    policy.before = (verb) => {
      if (verb === 'update' && --left === 0) throw new Error('killed');
    };
  };
  await attempt({ path, prepare: stop });
  for (let place = 0; ; place++) {
    const { disk, failed } = failingDisk(place, codes[place % codes.length] as string);
    const { error } = await attempt({ path, resume: true, disk, prepare: stop });
    await endProcess(path);
    if (failed() === undefined || failed()?.includes('checkpoint-3')) break;
    if (error !== undefined && (error as Error).message !== 'killed') expectTyped(error, failed() ?? '');
    await verifyCheckpoint(join(path, 'checkpoint-2'));
  }
  expect((await attempt({ path, resume: true })).error).toBeUndefined();
}, 60_000);

test('a failing write of the engine is a typed error of the next update, and earlier checkpoints stay', async () => {
  const path = join(root, 'engine');
  const prepare = (policy: DigitPolicy): void => {
    const snapshot = policy.snapshot.bind(policy);
    policy.snapshot = async () => {
      const taken = await snapshot();
      if (policy.version < 3) return taken;
      const write = async (folder: string) => {
        const fields = { path: join(folder, 'model.safetensors'), reason: 'No space left on device (os error 28)' };
        throw new NativeError('IO', 'it cannot be written', fields);
      };
      return { write };
    };
  };
  const { error, finished } = await attempt({ path, prepare });
  expectTyped(error, 'the engine');
  expect((error as Error).message).toMatch(/model\.safetensors: cannot be written .*the disk is full: free space/);
  expect(finished).toEqual([1, 2]);
  await verifyCheckpoint(join(path, 'checkpoint-2'));
  expect((await readdir(path)).filter((name) => name.includes('tmp'))).toEqual([]);
});
