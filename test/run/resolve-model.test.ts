/** Checks that a run folder leads to the model of its latest checkpoint, and that any other path stays as it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CheckpointCorruptError, RunFolderError } from '../../src/errors.js';
import { resolveModel } from '../../src/run/checkpoint.js';
import { trainRun } from '../../src/run/train-run.js';
import { missingEngine, tinyModel } from '../cli/support/cli.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-resolve-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a model folder, a fetched name and a file stay as they are', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const path of [folder, 'owner/name', file]) expect(await resolveModel(path)).toBe(path);
});

test('a run without checkpoint is refused', async () => {
  writeFileSync(join(folder, 'metrics.jsonl'), '');
  await expect(resolveModel(folder)).rejects.toThrow(RunFolderError);
});

test.skipIf(missingEngine !== undefined)('a run leads to its latest checkpoint, which is verified', async () => {
  const out = join(folder, 'run');
  const sizes = { updates: 2, startsPerBatch: 2, groupSize: 2, sampling: { maxNewTokens: 4 }, threads: 1 } as const;
  const checkpoint = { every: 1, keep: 2 };
  const config = {
    task: 'code-breaker',
    model: tinyModel,
    method: 'grpo',
    device: 'cpu',
    checkpoint,
    ...sizes,
  } as const;
  const warnings: string[] = [];
  await trainRun(config, { out, evaluate: false, report: false, warn: (text) => warnings.push(text) });
  expect(warnings[0]).toMatch(/cut off at 4 tokens/);
  expect(await resolveModel(out)).toBe(join(out, 'checkpoint-2'));
  writeFileSync(join(out, 'checkpoint-2', 'config.json'), '{}');
  await expect(resolveModel(out)).rejects.toThrow(CheckpointCorruptError);
});
