/** Tells a folder in which a run made updates from one that a failed start has left, which the next run may take. */
import { join } from 'node:path';
import { type Disk, realDisk } from '../disk/disk.js';
import { isLocked } from './lock.js';

const sizeOf = async (disk: Disk, path: string, name: string): Promise<number> =>
  (await disk.size(join(path, name))) ?? 0;

/** An evaluation before the first update is one line; more bytes are not read. */
const mostBytes = 1 << 20;

/** Whether metrics.jsonl has the line of an update; that of the evaluation before the first one is of update 0. */
async function hasMetrics(disk: Disk, path: string): Promise<boolean> {
  const size = await sizeOf(disk, path, 'metrics.jsonl');
  if (size === 0 || size > mostBytes) return size > 0;
  const text = Buffer.from(await disk.read(join(path, 'metrics.jsonl'))).toString('utf8');
  return text.split('\n').some((line) => line !== '' && !/^\{"update":0[,}]/.test(line));
}

/** Whether a folder holds an update of a run: its checkpoint, its trace or its line of metrics. */
export async function holdsUpdates(disk: Disk, path: string): Promise<boolean> {
  const names = await disk.list(path);
  if (names.some((name) => name.startsWith('checkpoint-'))) return true;
  return (await sizeOf(disk, path, 'traces.jsonl')) > 0 || (await hasMetrics(disk, path));
}

/** The files that a run writes before its first update. */
const ofStart = /^(config\.json(\.tmp)?|metrics\.jsonl|traces\.jsonl|run\.lock.*|events\.out\.tfevents\..*)$/;

/** Whether a folder holds nothing but the start of a run that made no update, and no process trains in it. */
export async function isFailedStart(path: string, disk: Disk = realDisk): Promise<boolean> {
  const names = await disk.list(path).catch(() => [] as readonly string[]);
  // Without a config the folder is empty: another run has just made it, and is about to lock it.
  if (!names.includes('config.json') || !names.every((name) => ofStart.test(name))) return false;
  return !(await isLocked(path, disk)) && !(await holdsUpdates(disk, path));
}

/** Whether a folder holds nothing but failed starts, as a demo leaves it whose first run could not begin. */
export async function holdsFailedStarts(path: string, disk: Disk = realDisk): Promise<boolean> {
  const names = await disk.list(path).catch(() => [] as readonly string[]);
  const failed = await Promise.all(names.map((name) => isFailedStart(join(path, name), disk)));
  return failed.length > 0 && failed.every(Boolean);
}
