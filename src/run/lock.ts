/** Locks a run folder for one writer with a file that names the process; recovers the lock of a dead process. */
import { readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Disk, onDisk, realDisk, runFolderError } from '../disk/disk.js';
import type { RunFolderError } from '../errors.js';

export const lockName = 'run.lock';

interface Owner {
  readonly pid: number;
  /** Start time of the process from the kernel, which distinguishes a recycled pid. Empty where unknown. */
  readonly started: string;
  readonly host: string;
}

export interface Lock {
  release(): Promise<void>;
}

/** Reads field 22 of /proc/PID/stat; the command name, field 2, may hold spaces and brackets. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the owner runs; a process of another host cannot be looked up and counts as alive. */
function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  if (!isRunning(owner.pid)) return false;
  const started = processStart(owner.pid);
  return owner.started === '' || started === '' || owner.started === started;
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isInteger(owner.pid) && typeof owner.host === 'string' ? owner : undefined;
  } catch {
    return undefined;
  }
}

function refuse(path: string, owner: Owner): RunFolderError {
  const holder = `process ${owner.pid} on ${owner.host}`;
  return runFolderError(path, `the run folder is in use by ${holder}`, `end it, or delete ${path} if it is gone`);
}

/** Removes the lock of a dead process; restores the fresh lock of a process that was faster. */
async function removeStale(disk: Disk, path: string, stale: string): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  await disk.rename(path, aside).catch(ignoreMissing);
  const moved = await readText(disk, aside);
  if (moved !== undefined && moved !== stale) await disk.link(aside, path).catch(() => undefined);
  await disk.remove(aside);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

async function readText(disk: Disk, path: string): Promise<string | undefined> {
  if ((await disk.size(path)) === undefined) return undefined;
  return Buffer.from(await disk.read(path)).toString('utf8');
}

async function tryCreate(disk: Disk, path: string, content: string): Promise<boolean> {
  try {
    await disk.create(path, content);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // A full disk can create the file without its content, which would lock the folder for no process.
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

/** A lock that this process holds. A process that leaves at once, at a second signal, leaves no lock behind. */
function held(disk: Disk, path: string): Lock {
  const leave = (): void => rmSync(path, { force: true });
  const isReal = disk === realDisk;
  if (isReal) process.once('exit', leave);
  const release = async (): Promise<void> => {
    await onDisk(path, () => disk.remove(path));
    if (isReal) process.off('exit', leave);
  };
  return { release };
}

async function acquire(disk: Disk, path: string): Promise<Lock> {
  const owner: Owner = { pid: process.pid, started: processStart(process.pid), host: hostname() };
  const content = JSON.stringify(owner);
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await tryCreate(disk, path, content)) return held(disk, path);
    const existing = (await readText(disk, path)) ?? '';
    const holder = parseOwner(existing);
    // The writer of an empty or partial lock died between creating and writing it.
    if (holder !== undefined && isAlive(holder)) throw refuse(path, holder);
    await removeStale(disk, path, existing);
  }
  throw runFolderError(
    path,
    'other processes take and release the lock repeatedly',
    'start one process per run folder',
  );
}

/** @throws RunFolderError when a living process holds the folder, or it cannot be written. */
export async function lockFolder(folder: string, disk: Disk = realDisk): Promise<Lock> {
  const path = join(folder, lockName);
  return onDisk(path, () => acquire(disk, path));
}

/** Whether a living process holds the folder. */
export async function isLocked(folder: string, disk: Disk = realDisk): Promise<boolean> {
  const holder = parseOwner((await readText(disk, join(folder, lockName))) ?? '');
  return holder !== undefined && isAlive(holder);
}
