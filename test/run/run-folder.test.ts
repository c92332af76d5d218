import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.js';
import { RunFolderError } from '../../src/errors.js';
import { holdsFailedStarts, isFailedStart } from '../../src/run/failed-start.js';
import { lockFolder } from '../../src/run/lock.js';
import {
  claimFolder,
  lockRunFolder,
  openRunFolder,
  type RunFolder,
  type RunFolderOptions,
} from '../../src/run/run-folder.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-run-'));
});
afterEach(async () => {
  await chmod(folder, 0o755);
  await rm(folder, { recursive: true, force: true });
});

const open = async (options: RunFolderOptions): Promise<RunFolder> =>
  openRunFolder(options, await lockRunFolder(options.path));

const isRunFolderError = (error: unknown): boolean => RunFolderError.isInstance(error);

describe('lock', () => {
  test('refuses a second writer and names the first', async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`process ${process.pid}`);
    await lock.release();
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  test('recovers the lock of a dead process', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid, started: '1', host: hostname() }));
    const lock = await lockFolder(folder);
    expect(JSON.parse(await readFile(join(folder, 'run.lock'), 'utf8')).pid).toBe(process.pid);
    await lock.release();
  });

  test('recovers the lock of a process whose pid was recycled', async () => {
    const stale = { pid: process.pid, started: 'long ago', host: hostname() };
    await writeFile(join(folder, 'run.lock'), JSON.stringify(stale));
    if (process.platform === 'linux') await (await lockFolder(folder)).release();
    else await expect(lockFolder(folder)).rejects.toSatisfy(isRunFolderError);
  });

  test('recovers a partial lock, but not one of another host', async () => {
    await writeFile(join(folder, 'run.lock'), '{"pid":');
    await (await lockFolder(folder)).release();
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid: 1, started: '', host: 'elsewhere' }));
    await expect(lockFolder(folder)).rejects.toThrow('elsewhere');
  });
});

describe('a relative path', () => {
  const from = process.cwd();
  beforeEach(() => process.chdir(folder));
  afterEach(() => process.chdir(from));

  test.each([
    ['a', ['a']],
    ['./a', ['a']],
    ['a/b/c', ['a', 'a/b', 'a/b/c']],
    ['longer/b', ['longer', 'longer/b']],
  ])('%s lists the folders that it creates, outermost first', async (path, expected) => {
    const here = process.cwd();
    expect(await realDisk.makeFolder(path)).toEqual(expected.map((name) => join(here, name)));
    expect(await realDisk.makeFolder(path)).toEqual([]);
  });

  test('claims a folder of its own for each of the runs that begin together', async () => {
    const claimed = await Promise.all([1, 2, 3, 4].map(() => claimFolder('r/x')));
    expect([...claimed].sort()).toEqual(['r/x', 'r/x-2', 'r/x-3', 'r/x-4']);
  });
});

describe('a failed start', () => {
  test('leaves a folder that the next run takes, with the evaluation before its first update', async () => {
    const path = join(folder, 'x');
    expect(await claimFolder(path, isFailedStart)).toBe(path);
    expect(await claimFolder(path, isFailedStart)).toBe(`${path}-2`);
    const failed = await open({ path, config: { seed: 1 } });
    await failed.metrics.append([{ update: 0, 'eval/quality_0': 0.5 }]);
    expect(await claimFolder(path, isFailedStart)).toBe(`${path}-3`);
    await failed.close();
    expect(await claimFolder(path, isFailedStart)).toBe(path);
    const next = await open({ path, config: { seed: 2 } });
    expect(await readFile(join(path, 'metrics.jsonl'), 'utf8')).toBe('');
    await next.close();
  });

  test.each<[string, string, string]>([
    ['an update', 'metrics.jsonl', '{"update":0}\n{"update":1}\n'],
    ['a trace', 'traces.jsonl', '{}\n'],
    ['a checkpoint', 'checkpoint-1', ''],
    ['a file of the user', 'notes.txt', ''],
  ])('is not one with %s', async (_name, file, text) => {
    await (await open({ path: folder, config: {} })).close();
    expect(await isFailedStart(folder)).toBe(true);
    await writeFile(join(folder, file), text);
    expect(await isFailedStart(folder)).toBe(false);
  });

  test('of every run of a demo leaves a folder for the next demo', async () => {
    for (const run of ['grpo-seed-1', 'exit-seed-1'])
      await (await open({ path: join(folder, run), config: {} })).close();
    expect(await holdsFailedStarts(folder)).toBe(true);
    await writeFile(join(folder, 'comparison.json'), '{}');
    expect(await holdsFailedStarts(folder)).toBe(false);
  });
});

describe('run folder', () => {
  test('is free while it holds neither a line nor a checkpoint', async () => {
    await (await open({ path: folder, config: { seed: 1 } })).close();
    const second = await open({ path: folder, config: { seed: 2 } });
    await second.metrics.append([{ update: 1 }]);
    await second.close();
    await expect(open({ path: folder, config: { seed: 3 } })).rejects.toThrow('already holds a run');
  });

  test('cuts metrics at the resumed byte and appends from there', async () => {
    const first = await open({ path: folder, config: { seed: 1 } });
    await first.metrics.append([{ update: 1 }]);
    const metricsBytes = first.metrics.size;
    await first.metrics.append([{ update: 2 }]);
    await first.close();
    const again = await open({ path: folder, config: { seed: 1 }, resume: { metricsBytes, tracesBytes: 0 } });
    await again.metrics.append([{ update: 2, again: true }]);
    await again.close();
    expect(await readFile(join(folder, 'metrics.jsonl'), 'utf8')).toBe('{"update":1}\n{"update":2,"again":true}\n');
  });

  test('refuses a folder that holds a run, and unlocks it', async () => {
    await writeFile(join(folder, 'metrics.jsonl'), 'kept');
    await expect(open({ path: folder, config: {} })).rejects.toThrow('--resume');
    expect(await readdir(folder)).toEqual(['metrics.jsonl']);
    expect(await readFile(join(folder, 'metrics.jsonl'), 'utf8')).toBe('kept');
  });

  test('reports a path through a file with a fix', async () => {
    await writeFile(join(folder, 'file'), '');
    const opened = open({ path: join(folder, 'file', 'run'), config: {} });
    await expect(opened).rejects.toSatisfy(isRunFolderError);
    await expect(open({ path: join(folder, 'file', 'run'), config: {} })).rejects.toThrow('--out');
  });

  // The superuser can write to a read-only folder.
  test.skipIf(process.getuid?.() === 0)('reports a read-only folder as a typed error', async () => {
    await chmod(folder, 0o555);
    await expect(open({ path: folder, config: {} })).rejects.toSatisfy(isRunFolderError);
  });

  test.skipIf(process.platform !== 'linux')('reports a full disk as a typed error', async () => {
    const run = await open({ path: folder, config: {} });
    await run.close();
    await rm(join(folder, 'metrics.jsonl'));
    const { symlink } = await import('node:fs/promises');
    await symlink('/dev/full', join(folder, 'metrics.jsonl'));
    const resumed = await open({ path: folder, config: {}, resume: { metricsBytes: 0, tracesBytes: 0 } });
    await expect(resumed.metrics.append([{ update: 1 }])).rejects.toThrow('disk is full');
    await resumed.close();
  });
});
