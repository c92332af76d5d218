/** Saving during training: one save at a time, the state at the call, errors where the caller can handle them. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { realDisk } from '../../src/disk/disk.js';
import { manifestText, verifyCheckpoint } from '../../src/disk/manifest.js';
import { RunFolderError } from '../../src/errors.js';
import { type OpenRunOptions, openRun, type Run } from '../../src/run/run.js';
import { createSaver, type SavedState, type SaverOptions } from '../../src/run/saver.js';
import type { TaskFamily } from '../../src/task/task.js';
import { oneRung } from '../support/ladder.js';
import { DigitPolicy } from './support/digit-policy.js';
import { quickFolder } from './support/temporary.js';

let root = '';
let warnings: string[] = [];
beforeEach(async () => {
  root = await quickFolder('saver');
  warnings = [];
  await new DigitPolicy().save(join(root, 'model'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const family = oneRung as TaskFamily;

const open = (changes: Partial<OpenRunOptions> = {}): Promise<Run> => {
  const config = parseConfig({ task: 'one-rung', model: join(root, 'model') });
  const warn = (message: string): void => void warnings.push(message);
  return openRun({ config, family, path: join(root, 'run'), warn, ...changes });
};

const stateAt = (update: number): SavedState => ({
  progress: { update, trained: update, tokens: update, nonFinite: 0 },
  curriculum: { kind: 'uniform' },
});

/** A policy whose snapshots are written when the test releases them. */
function heldPolicy() {
  const policy = new DigitPolicy();
  const releases: (() => void)[] = [];
  const snapshot = async () => {
    const taken = await policy.snapshot();
    const write = async (folder: string) => {
      await new Promise<void>((resolve) => releases.push(resolve));
      return taken.write(folder);
    };
    return { write };
  };
  return { policy, snapshot, releases };
}

const settings = { every: 1, keep: 2, asynchronous: true };
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe('asynchronous saving', () => {
  test('returns before the write, and writes the state at the call', async () => {
    const run = await open();
    const { policy, snapshot, releases } = heldPolicy();
    const saver = createSaver({ run, policy: { snapshot }, settings });
    policy.weights[3] = 7;
    const progress = { update: 1, trained: 1, tokens: 5, nonFinite: 0 };
    await saver.save({ progress, curriculum: { kind: 'uniform' } });
    policy.weights[3] = 8;
    progress.tokens = 6;
    await run.folder.metrics.append([{ update: 2 }]);
    await until(() => releases.length === 1);
    expect(await readdir(run.folder.path)).not.toContain('checkpoint-1');
    releases[0]?.();
    const folder = (await saver.finish()) ?? '';
    await verifyCheckpoint(folder);
    expect(JSON.parse(await readFile(join(folder, 'model.safetensors'), 'utf8'))[3]).toBe(7);
    const state = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8'));
    expect([state.progress.tokens, state.metricsBytes]).toEqual([5, 0]);
    await run.close();
  });

  test('waits for the running save, with a warning after a while', async () => {
    const run = await open();
    const { snapshot, releases } = heldPolicy();
    const saver = createSaver({ run, policy: { snapshot }, settings, patienceSeconds: 0.02 });
    await saver.save(stateAt(1));
    let second = false;
    const saving = saver.save(stateAt(2)).then(() => {
      second = true;
    });
    await until(() => warnings.length === 1);
    expect(warnings[0]).toContain('is the disk slow?');
    expect([second, releases.length]).toEqual([false, 1]);
    releases[0]?.();
    await saving;
    await until(() => releases.length === 2);
    releases[1]?.();
    await saver.finish();
    expect(await readdir(run.folder.path)).toEqual(expect.arrayContaining(['checkpoint-1', 'checkpoint-2']));
    await run.close();
  });

  test('throws a failure from `check`, the next save and `finish`, each as a typed error', async () => {
    const failing = async () => ({
      write: () => Promise.reject(Object.assign(new Error(), { code: 'ENOSPC', syscall: 'write', path: 'weights' })),
    });
    const run = await open();
    const isTyped = (error: unknown): boolean =>
      RunFolderError.isInstance(error) && /weights.*full/.test(error.message);
    for (const verb of ['save', 'finish'] as const) {
      const saver = createSaver({ run, policy: { snapshot: failing }, settings });
      await saver.save(stateAt(1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(() => saver.check()).toThrow('full');
      await expect(verb === 'save' ? saver.save(stateAt(2)) : saver.finish()).rejects.toSatisfy(isTyped);
    }
    expect((await readdir(run.folder.path)).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
    await run.close();
  });

  test('does not save an update twice', async () => {
    const run = await open();
    const policy = new DigitPolicy();
    let copies = 0;
    const snapshot: SaverOptions['policy']['snapshot'] = () => {
      copies += 1;
      return policy.snapshot();
    };
    const saver = createSaver({ run, policy: { snapshot }, settings: { ...settings, asynchronous: false } });
    await saver.save(stateAt(1));
    await saver.save(stateAt(1));
    expect(copies).toBe(1);
    expect(await saver.finish()).toBe(join(run.folder.path, 'checkpoint-1'));
    await run.close();
  });

  test('keeps protected checkpoints beside the newest', async () => {
    const run = await open();
    const saver = createSaver({ run, policy: new DigitPolicy(), settings, protect: () => [2] });
    for (const update of [1, 2, 3, 4, 5]) await saver.save(stateAt(update));
    await saver.finish();
    await run.close();
    const kept = (await readdir(run.folder.path)).filter((name) => name.startsWith('checkpoint'));
    expect(kept.sort()).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-5']);
  });
});

describe('resuming', () => {
  async function saved(): Promise<string> {
    const run = await open();
    const saver = createSaver({ run, policy: new DigitPolicy(), settings });
    await saver.save(stateAt(1));
    const folder = (await saver.finish()) ?? '';
    await run.close();
    return folder;
  }

  test('refuses a changed tokenizer by name unless it is allowed', async () => {
    await writeFile(join(root, 'model', 'vocab.json'), '{"a":1}');
    await saved();
    await writeFile(join(root, 'model', 'vocab.json'), '{"a":2}');
    await expect(open({ resume: true })).rejects.toThrow(/tokenizer \(.*--allow-change tokenizer/);
    await (await open({ resume: true, allowedChanges: ['tokenizer'] })).close();
  });

  test('warns about other versions of the programs', async () => {
    const folder = await saved();
    const { sha256: _, ...manifest } = await verifyCheckpoint(folder);
    const versions = { ...manifest.versions, node: '1.2.3' };
    await writeFile(join(folder, 'manifest.json'), manifestText({ ...manifest, versions }));
    await (await open({ resume: true })).close();
    expect(warnings).toEqual([expect.stringMatching(/other versions \(node 1\.2\.3 -> .*the numbers may differ/)]);
  });

  test('keeps the checkpoints after a named one when it refuses a change', async () => {
    const folder = await saved();
    const later = { ...parseConfig({ task: 'one-rung', model: join(root, 'model') }), seed: 9 };
    await mkdir(join(root, 'run', 'checkpoint-5'));
    await expect(open({ path: folder, resume: true, config: later })).rejects.toThrow('seed');
    expect(await readdir(join(root, 'run'))).toContain('checkpoint-5');
  });

  test('refuses pickles, with a fix', async () => {
    const other = join(root, 'checkpoint-500');
    await mkdir(other);
    await writeFile(join(other, 'optimizer.pt'), '');
    await expect(open({ path: other, resume: true })).rejects.toThrow(/optimizer\.pt.*pickle.*safetensors/);
    await expect(open({ path: join(other, 'optimizer.pt'), resume: true })).rejects.toThrow(/never read.*run folder/);
    expect(await readdir(other)).toEqual(['optimizer.pt']);
  });

  test('warns when metrics lost lines', async () => {
    const run = await open();
    await run.folder.metrics.append([{ update: 1 }]);
    const saver = createSaver({ run, policy: new DigitPolicy(), settings });
    await saver.save(stateAt(1));
    await saver.finish();
    await run.close();
    await realDisk.truncate(join(root, 'run', 'metrics.jsonl'), 3);
    await (await open({ resume: true })).close();
    expect(warnings).toEqual([expect.stringContaining('holds 3 of the 13 bytes')]);
  });
});
