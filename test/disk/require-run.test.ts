/** The answers of `--resume` to a path that names no run. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manifestText } from '../../src/disk/manifest.js';
import { requireRun } from '../../src/disk/require-run.js';
import { RunFolderError } from '../../src/errors.js';
import { readRunConfig } from '../../src/run/run-config.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'exit-rl-require-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function make(folder: string, files: Readonly<Record<string, string>>): string {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const manifest = (changes: object = {}): string =>
  manifestText({
    format: 1,
    update: 3,
    configHash: '',
    modelFingerprint: '',
    versions: { package: '9.9.9', node: '20' },
    files: {},
    ...changes,
  });

const model = { 'config.json': '{"model_type":"llama"}', 'model.safetensors': '' };

describe('a path that names no run', () => {
  test.each<[string, () => string, RegExp]>([
    ['nothing', () => join(root, 'none'), /none: holds no run to resume: there is no such folder; name a run folder/],
    ['an empty folder', () => make('empty', {}), /the folder is empty; .*--out/],
    ['a file', () => join(make('some', { 'notes.txt': '' }), 'notes.txt'), /is a file; name a run folder/],
    ['a pickle', () => join(make('some', { 'state.pt': '' }), 'state.pt'), /is a pickle, which is never read/],
    ['a model', () => make('model', model), /it is a model folder; begin a new run with --model .*model$/],
    ['an adapter', () => make('a', { 'adapter_config.json': '{}' }), /it is an adapter folder; begin a new run/],
    ['a comparison', () => make('demo', { 'comparison.json': '{}' }), /holds several runs; name one of its folders/],
    [
      'a checkpoint alone',
      () => make('checkpoint-3', { 'manifest.json': manifest(), 'state.json': '{}' }),
      /without its run folder/,
    ],
    ['other files', () => make('some', { 'notes.txt': '' }), /holds no run to resume; name a run folder/],
  ])('%s', async (_name, path, message) => {
    const refusal = requireRun(path());
    await expect(refusal).rejects.toBeInstanceOf(RunFolderError);
    await expect(refusal).rejects.toThrow(message);
  });

  test('a checkpoint that a run does not have, with those that it has', async () => {
    make('run', { 'config.json': '{"method":"exit"}', 'metrics.jsonl': '' });
    make('run/checkpoint-3', { 'manifest.json': manifest(), 'state.json': '{}' });
    await expect(requireRun(join(root, 'run', 'checkpoint-4'))).rejects.toThrow(/run holds checkpoint-3$/);
  });
});

test('a start that failed before its first line is a run', async () => {
  await expect(requireRun(make('run', { 'config.json': '{"method":"exit","task":"x"}' }))).resolves.toBeUndefined();
});

describe('a run of another version', () => {
  test('in a format that this one does not read names the version', async () => {
    const run = make('run', { 'config.json': '{"method":"exit"}', 'metrics.jsonl': '' });
    make('run/checkpoint-3', { 'manifest.json': manifest({ format: 2 }), 'state.json': '{}' });
    await expect(requireRun(run)).rejects.toThrow(/the checkpoint has 2, this version reads 1; use exit-rl 9\.9\.9/);
  });

  test('with a key that this one does not know names the version and the key', async () => {
    const config = { task: 'code-breaker', model: 'm', method: 'exit', teleport: true };
    const run = make('run', { 'config.json': JSON.stringify(config), 'metrics.jsonl': '' });
    make('run/checkpoint-3', { 'manifest.json': manifest(), 'state.json': '{}' });
    const refusal = readRunConfig(run);
    await expect(refusal).rejects.toBeInstanceOf(RunFolderError);
    await expect(refusal).rejects.toThrow(/exit-rl 9\.9\.9 wrote this run[\s\S]*teleport/);
  });
});
