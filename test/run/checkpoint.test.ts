import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.js';
import { manifestText, verifyCheckpoint } from '../../src/disk/manifest.js';
import { CheckpointCorruptError, RunFolderError } from '../../src/errors.js';
import type { WrittenFile } from '../../src/policy/policy.js';
import { createRetention, latestCheckpoint, removeUnfinished, writeCheckpoint } from '../../src/run/checkpoint.js';
import { writeAndDescribe } from './support/digit-policy.js';

let run = '';
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), 'exit-rl-checkpoint-'));
});
afterEach(() => rm(run, { recursive: true, force: true }));

async function fill(folder: string): Promise<WrittenFile[]> {
  await mkdir(join(folder, 'nested'));
  const weights = Buffer.alloc(5000, 7).toString('latin1');
  return [
    await writeAndDescribe(folder, 'weights.bin', weights),
    await writeAndDescribe(folder, 'nested/state.json', '{"a":1}'),
  ];
}

const versions = { package: '0.1.0', node: '20.19.0' };
const request = { disk: realDisk, configHash: 'config', modelFingerprint: 'model', versions, texts: { text: 'é' } };

const save = (update: number, write = fill): Promise<string> => writeCheckpoint({ ...request, run, update, write });

describe('a finished checkpoint', () => {
  test('verifies, lists every file and leaves nothing temporary', async () => {
    const manifest = await verifyCheckpoint(await save(3));
    expect(Object.keys(manifest.files)).toEqual(['nested/state.json', 'text', 'weights.bin']);
    expect(manifest.files['weights.bin']?.size).toBe(5000);
    expect(manifest.files.text?.size).toBe(2);
    expect(manifest).toMatchObject({ update: 3, configHash: 'config', modelFingerprint: 'model' });
    expect(await readdir(run)).toEqual(['checkpoint-3']);
  });

  test('is kept when the same update is saved again', async () => {
    await save(3);
    let written = false;
    await save(3, async () => {
      written = true;
      return [];
    });
    expect(written).toBe(false);
  });
});

describe('verification finds', () => {
  const damages: [string, (folder: string) => Promise<unknown>][] = [
    [
      'one flipped byte',
      async (folder) => {
        const bytes = await readFile(join(folder, 'weights.bin'));
        bytes[1234] = 8;
        await writeFile(join(folder, 'weights.bin'), bytes);
      },
    ],
    ['a truncated file', (folder) => truncate(join(folder, 'weights.bin'), 4999)],
    ['a longer file', (folder) => appendFile(join(folder, 'nested', 'state.json'), ' ')],
    ['a missing file', (folder) => rm(join(folder, 'weights.bin'))],
    ['a missing manifest', (folder) => rm(join(folder, 'manifest.json'))],
    ['half a manifest', (folder) => truncate(join(folder, 'manifest.json'), 40)],
    ['a manifest of another shape', (folder) => writeFile(join(folder, 'manifest.json'), '[1]')],
    [
      'a manifest that names a file outside',
      async (folder) => {
        const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
        manifest.files['../outside'] = { size: 1, sha256: 'x' };
        await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
      },
    ],
  ];

  test.each(damages)('%s', async (_, damage) => {
    await save(1);
    const folder = await save(2);
    await damage(folder);
    await expect(verifyCheckpoint(folder)).rejects.toSatisfy(
      CheckpointCorruptError.isInstance.bind(CheckpointCorruptError),
    );
    const warnings: string[] = [];
    const found = await latestCheckpoint(run, (message) => warnings.push(message));
    expect(found?.update).toBe(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('checkpoint-2');
    expect(await readdir(run)).toEqual(['checkpoint-1', 'checkpoint-2.corrupt']);
  });
});

test('a failing save keeps the previous checkpoint and leaves no finished new one', async () => {
  await save(1);
  await expect(
    save(2, async (folder) => {
      await fill(folder);
      throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
    }),
  ).rejects.toSatisfy((error) => RunFolderError.isInstance(error) && error.message.includes('disk is full'));
  expect((await latestCheckpoint(run, () => {}))?.update).toBe(1);
  await removeUnfinished(run);
  expect(await readdir(run)).toEqual(['checkpoint-1']);
});

test('pruning counts only verified checkpoints and keeps at least two', async () => {
  for (const update of [1, 2, 3, 4]) await save(update);
  await truncate(join(run, 'checkpoint-4', 'weights.bin'), 10);
  await createRetention(run, realDisk).prune(1, []);
  expect((await readdir(run)).sort()).toEqual(['checkpoint-2', 'checkpoint-3', 'checkpoint-4']);
});

test('pruning hashes an unknown checkpoint once, and checks only sizes of a known one', async () => {
  const hashed: string[] = [];
  const hash = (path: string): Promise<string> => {
    hashed.push(path.slice(run.length + 1));
    return realDisk.hash(path);
  };
  const disk = { ...realDisk, hash };
  const retention = createRetention(run, disk);
  for (const update of [1, 2, 3]) await save(update);
  retention.remember(3);
  await retention.prune(2, []);
  expect(new Set(hashed.map((path) => path.split('/')[0]))).toEqual(new Set(['checkpoint-2']));
  hashed.length = 0;
  await save(4);
  retention.remember(4);
  await retention.prune(2, []);
  expect(hashed).toEqual([]);
  expect((await readdir(run)).sort()).toEqual(['checkpoint-3', 'checkpoint-4']);
});

test('pruning keeps protected checkpoints beside the newest', async () => {
  for (const update of [1, 2, 3, 4, 5]) await save(update);
  await createRetention(run, realDisk).prune(2, [2]);
  expect((await readdir(run)).sort()).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-5']);
});

test('refuses a checkpoint of another format by that field, and does not move it', async () => {
  const folder = await save(1);
  const manifest = await verifyCheckpoint(folder);
  const { sha256: _, ...rest } = manifest;
  await writeFile(join(folder, 'manifest.json'), manifestText({ ...rest, format: 99 }));
  await expect(latestCheckpoint(run, () => {})).rejects.toSatisfy(
    (error) => RunFolderError.isInstance(error) && /field format.*99.*use exit-rl 0\.1\.0/.test(error.message),
  );
  expect(await readdir(run)).toEqual(['checkpoint-1']);
});

test('rejects for a folder that cannot be read', async () => {
  await save(1);
  const disk = {
    ...realDisk,
    list: () => Promise.reject(Object.assign(new Error(), { code: 'EIO', syscall: 'scandir' })),
  };
  await expect(latestCheckpoint(run, () => {}, disk)).rejects.toThrow(/scandir failed \(EIO\).*check it/);
});

test('refuses a checkpoint under the number of another update', async () => {
  await rename(await save(1), join(run, 'checkpoint-7'));
  await expect(verifyCheckpoint(join(run, 'checkpoint-7'))).rejects.toThrow('belongs to update 1');
});

test('the latest checkpoint has the highest number, compared as numbers', async () => {
  for (const update of [9, 10]) await save(update);
  expect((await latestCheckpoint(run, () => {}))?.update).toBe(10);
});
