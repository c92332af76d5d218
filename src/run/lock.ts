/** One writer per run folder: a lock file that names the process; the lock of a dead process is recovered. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { RunFolderError } from '../errors.js';
import { type Disk, onDisk, realDisk, runFolderError } from './disk.js';

interface Owner {
  readonly pid: number;
  /** Kernel's start time of the process: a recycled pid is another process. Empty where unknown. */
  readonly started: string;
  readonly host: string;
}

export interface Lock {
  release(): Promise<void>;
}

/** Field 22 of /proc/PID/stat; the command name before it may hold spaces and brackets. */
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

/** A lock of another host cannot be looked up from here, so it counts as alive. */
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

/** Moves a dead process's lock away; when another process was faster, its fresh lock is put back. */
async function removeStale(disk: Disk, path: string, stale: string): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  await disk.rename(path, aside).catch(ignoreMissing);
  const taken = await readText(disk, aside);
  if (taken !== undefined && taken !== stale) await disk.link(aside, path).catch(() => undefined);
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
    // Created and not filled, on a full disk: nobody's lock.
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

async function acquire(disk: Disk, path: string): Promise<Lock> {
  const owner: Owner = { pid: process.pid, started: processStart(process.pid), host: hostname() };
  const content = JSON.stringify(owner);
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await tryCreate(disk, path, content)) return { release: () => onDisk(path, () => disk.remove(path)) };
    const found = (await readText(disk, path)) ?? '';
    const holder = parseOwner(found);
    // An empty or torn lock is one whose writer died between creating and writing it.
    if (holder !== undefined && isAlive(holder)) throw refuse(path, holder);
    await removeStale(disk, path, found);
  }
  throw runFolderError(path, 'the lock changes hands all the time', 'start one process per run folder');
}

/** @throws RunFolderError when a living process holds the folder, or it cannot be written. */
export async function lockFolder(folder: string, disk: Disk = realDisk): Promise<Lock> {
  const path = join(folder, 'run.lock');
  return onDisk(path, () => acquire(disk, path));
}
