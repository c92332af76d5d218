/** Damages every byte of a checkpoint in turn: resuming refuses it by name, and skips it otherwise. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { verifyCheckpoint } from '../../src/disk/manifest.js';
import { CheckpointCorruptError } from '../../src/errors.js';
import { createRng } from '../../src/rng.js';
import { latestCheckpoint } from '../../src/run/checkpoint.js';
import { missingEngine } from '../cli/support/cli.js';
import { createMemoryDisk, type MemoryDisk } from './support/crash/memory-disk.js';
import { Tree } from './support/crash/tree.js';
import { quickFolder } from './support/temporary.js';
import { trainWords } from './support/words.js';

let root = '';
beforeAll(async () => {
  root = await quickFolder('corrupt');
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Copies a run folder into memory, where damage costs nothing. */
async function inMemory(run: string): Promise<MemoryDisk> {
  const disk = createMemoryDisk(new Tree(root));
  for (const entry of await readdir(run, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    await disk.makeFolder(entry.isDirectory() ? path : entry.parentPath);
    if (entry.isFile()) await disk.write(path, await readFile(path));
  }
  return disk;
}

/** Resumes from the damaged checkpoint by name, which is refused, and automatically, which falls back with a warning. */
async function expectRefused(disk: Disk, run: string, place: string): Promise<void> {
  const newest = join(run, 'checkpoint-3');
  const named = await verifyCheckpoint(newest, disk).catch((error: unknown) => error);
  expect(CheckpointCorruptError.isInstance(named), `${place}: ${named}`).toBe(true);
  const warnings: string[] = [];
  const found = await latestCheckpoint(run, (message) => warnings.push(message), disk);
  expect([found?.update, warnings.length], place).toEqual([2, 1]);
  expect(warnings[0]).toContain('checkpoint-3.corrupt');
  await disk.rename(`${newest}.corrupt`, newest);
}

/** Lists every place of a small file; of a big one its header, its end, and random places. */
function placesOf(name: string, size: number): number[] {
  if (size <= 10_000) return Array.from({ length: size }, (_, at) => at);
  const rng = createRng(3).fork(name);
  const drawn = Array.from({ length: 400 }, () => rng.int(size));
  return [...new Set([...Array.from({ length: 64 }, (_, at) => at), ...drawn, size - 1])];
}

describe.skipIf(missingEngine !== undefined)('a checkpoint of the engine', () => {
  let run = '';
  let disk: MemoryDisk;
  beforeAll(async () => {
    run = join(root, 'run');
    await trainWords({ path: run, updates: 3, checkpoint: { every: 1, keep: 3 } });
    disk = await inMemory(run);
  }, 60_000);

  const files = (): string[] =>
    disk.tree.names(join(run, 'checkpoint-3')).map((name) => join(run, 'checkpoint-3', name));

  test('is refused when any byte differs', async () => {
    let damaged = 0;
    for (const file of files()) {
      const whole = disk.tree.read(file);
      const rng = createRng(7).fork(file);
      for (const at of placesOf(file, whole.length)) {
        const bytes = Buffer.from(whole);
        bytes[at] = (whole[at] as number) ^ (1 + rng.int(255));
        await disk.write(file, bytes);
        await expectRefused(disk, run, `${file} byte ${at}`);
        damaged += 1;
      }
      await disk.write(file, whole);
    }
    expect(damaged).toBeGreaterThan(5_000);
    await verifyCheckpoint(join(run, 'checkpoint-3'), disk);
  }, 120_000);

  test('is refused when any file is shorter, longer, empty, missing, or swapped with another', async () => {
    for (const file of files()) {
      const whole = disk.tree.read(file);
      const other = disk.tree.read(files().find((one) => one !== file) as string);
      for (const content of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.of(10)]), Buffer.alloc(0), other]) {
        await disk.write(file, content);
        await expectRefused(disk, run, `${file} with ${content.length} bytes`);
      }
      await disk.remove(file);
      await expectRefused(disk, run, `${file} missing`);
      await disk.write(file, whole);
    }
  });

  test('is set aside with a warning on the real disk, and the run resumes from the previous one', async () => {
    const weights = join(run, 'checkpoint-3', 'model.safetensors');
    const bytes = await readFile(weights);
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] as number) ^ 4;
    await writeFile(weights, bytes);
    const again = { updates: 3, checkpoint: { every: 1, keep: 3 }, resume: true };
    await expect(trainWords({ ...again, path: join(run, 'checkpoint-3') })).rejects.toSatisfy((error) =>
      CheckpointCorruptError.isInstance(error),
    );
    const warnings: string[] = [];
    await trainWords({ ...again, path: run, warn: (message) => warnings.push(message) });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/model\.safetensors differs from its hash.*set aside as .*checkpoint-3\.corrupt/);
    await verifyCheckpoint(join(run, 'checkpoint-3'));
  });
});
