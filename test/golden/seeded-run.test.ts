/**
 * Runs a few updates of the built-in recipe from one seed and compares the hash of weights and metrics. A refactor that
 * changes a bit anywhere between the tasks and the optimizer fails here; a change of results replaces the hashes.
 *
 * The kernels add as many numbers at a time as a vector of the processor holds, and libtorch computes exponentials with a
 * library that chooses its code by the processor's vendor, so the last bits depend on both: there is one hash for each pair
 * (AVX2 and plain code add eight at a time, in one order). The test skips a pair without a hash. One machine makes all
 * hashes of its vendor by forcing `Instructions::detect`.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { loadPolicy, trainedChoice } from '../../src/run/assemble.js';
import { openRun } from '../../src/run/run.js';
import { train } from '../../src/run/train.js';
import { codeBreaker } from '../../src/task/code-breaker/family.js';
import type { TaskFamily } from '../../src/task/task.js';
import { missingEngine, tinyModel } from '../cli/support/cli.js';
import { readGolden } from './support.js';

const hashes = readGolden<Readonly<Record<string, Readonly<Record<string, string>>>>>('seeded-run.json');

const isTime = (key: string): boolean => key === 'step_time' || key.startsWith('perf/');

/** Hashes weights, moments, reference and every metric but times after six updates with all features enabled. */
async function seededRun(): Promise<{ readonly backend: string; readonly hash: string }> {
  const path = mkdtempSync(join(tmpdir(), 'exit-rl-seeded-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const flags = {
    ...{ model: tinyModel, method: 'exit', updates: 6, startsPerBatch: 4, groupSize: 4, seed: 20261125, threads: 1 },
    ...{ buffer: { minimumFill: 4, capacity: 12 }, objective: { kl: { beta: 0.02 }, batchEpochs: 2 }, device: 'cpu' },
    ...{ reference: { blendEvery: 2, alpha: 0.5 }, optimizer: { learningRate: 1e-3 }, traces: 'all' },
  };
  const config = await loadConfig({ source: 'code-breaker', flags });
  const family = codeBreaker({ freshSeed: config.seed }) as TaskFamily;
  const run = await openRun({ config, family, path });
  const policy = await loadPolicy(run.modelFolder, trainedChoice(config, run));
  const { backend } = policy.info();
  try {
    await train({ config, policy, family, run });
  } finally {
    await policy.close();
    await run.close();
  }
  const lines = readFileSync(join(path, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const metrics = lines.map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isTime(key)));
  const hash = createHash('sha256').update(JSON.stringify(metrics));
  const weights = readFileSync(join(path, 'checkpoint-6', 'training.safetensors'));
  return { backend, hash: hash.update(weights).digest('hex') };
}

const processorVendor = (): string =>
  /^vendor_id\s*:\s*(\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';

test.skipIf(missingEngine !== undefined)('six updates from a seed', async (context) => {
  const { backend, hash } = await seededRun();
  const vendor = processorVendor();
  const expected = hashes[vendor]?.[backend];
  // libtorch chooses its exponentials by vendor: only a run of the base commit there could give the hash of another one.
  if (expected === undefined) return context.skip(`no hash for ${backend} on ${vendor}: ${hash}`);
  expect(hash, backend).toBe(expected);
});
