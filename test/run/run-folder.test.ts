import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RunFolderError } from '../../src/errors.js';
import { lockRunFolder, openRunFolder, type RunFolder, type RunFolderOptions } from '../../src/run/folder.js';
import { lockFolder } from '../../src/run/lock.js';

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
  test('a second writer is refused by the name of the first', async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`process ${process.pid}`);
    await lock.release();
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  test('the lock of a dead process is recovered', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid, started: '1', host: hostname() }));
    const lock = await lockFolder(folder);
    expect(JSON.parse(await readFile(join(folder, 'run.lock'), 'utf8')).pid).toBe(process.pid);
    await lock.release();
  });

  test('a recycled pid does not keep the folder', async () => {
    const stale = { pid: process.pid, started: 'long ago', host: hostname() };
    await writeFile(join(folder, 'run.lock'), JSON.stringify(stale));
    if (process.platform === 'linux') await (await lockFolder(folder)).release();
    else await expect(lockFolder(folder)).rejects.toSatisfy(isRunFolderError);
  });

  test('a torn lock is recovered, a lock of another host is not', async () => {
    await writeFile(join(folder, 'run.lock'), '{"pid":');
    await (await lockFolder(folder)).release();
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid: 1, started: '', host: 'elsewhere' }));
    await expect(lockFolder(folder)).rejects.toThrow('elsewhere');
  });
});

describe('run folder', () => {
  test('metrics are cut at the resumed byte and grow from there', async () => {
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

  test('a folder that holds a run is not overwritten, and stays unlocked', async () => {
    await writeFile(join(folder, 'metrics.jsonl'), 'kept');
    await expect(open({ path: folder, config: {} })).rejects.toThrow('--resume');
    expect(await readdir(folder)).toEqual(['metrics.jsonl']);
    expect(await readFile(join(folder, 'metrics.jsonl'), 'utf8')).toBe('kept');
  });

  test('a path through a file is a typed error with a fix', async () => {
    await writeFile(join(folder, 'file'), '');
    const opened = open({ path: join(folder, 'file', 'run'), config: {} });
    await expect(opened).rejects.toSatisfy(isRunFolderError);
    await expect(open({ path: join(folder, 'file', 'run'), config: {} })).rejects.toThrow('--out');
  });

  // The superuser writes where the mode forbids it.
  test.skipIf(process.getuid?.() === 0)('a read-only folder is a typed error', async () => {
    await chmod(folder, 0o555);
    await expect(open({ path: folder, config: {} })).rejects.toSatisfy(isRunFolderError);
  });

  test.skipIf(process.platform !== 'linux')('a full disk is a typed error', async () => {
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
