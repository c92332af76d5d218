/** The folder of a run: resolved config, append-only metrics and traces, checkpoints; it has one writer at a time. */
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Disk, onDisk, realDisk, replaceDurably, runFolderError } from '../disk/disk.js';
import { RunFolderError } from '../errors.js';
import { removeUnfinished } from './checkpoint.js';
import { holdsUpdates } from './failed-start.js';
import { type Lock, lockFolder, lockName } from './lock.js';
import { type EventFile, openEvents } from './tensorboard.js';

export interface RunFolder {
  readonly path: string;
  readonly disk: Disk;
  readonly metrics: LineFile;
  readonly traces: LineFile;
  /** The metrics for TensorBoard; absent without the option `tensorboard`. */
  readonly events?: EventFile;
  close(): Promise<void>;
}

export interface RunFolderOptions {
  readonly path: string;
  readonly disk?: Disk;
  /** Written to config.json. */
  readonly config: unknown;
  /** Bytes of metrics and traces that the checkpoint recorded, and the last update in them; absent for a new run. */
  readonly resume?: { readonly metricsBytes: number; readonly tracesBytes: number; readonly lastLine?: number };
  /** Writes an event file for TensorBoard. */
  readonly tensorboard?: boolean | undefined;
  /** Receives a warning when metrics or traces lack lines that the checkpoint recorded. */
  readonly warn?: (message: string) => void;
}

/** A run that made no update, because its model could not be loaded or its tasks did not fit, leaves the folder free. */
async function refuseUsed(disk: Disk, path: string): Promise<void> {
  if (!(await holdsUpdates(disk, path))) return;
  const fix = `continue it with \`exit-rl train --resume ${path}\`, or choose another --out`;
  throw runFolderError(path, alreadyUsed, fix);
}

const alreadyUsed = 'already holds a run';

/** Whether a run could not be opened because another one has its folder. */
export function isTaken(error: unknown): boolean {
  if (!RunFolderError.isInstance(error)) return false;
  const { path, problem } = error.fields;
  return problem === alreadyUsed || (typeof path === 'string' && basename(path) === lockName);
}

async function openFiles(options: RunFolderOptions, disk: Disk, lock: Lock): Promise<RunFolder> {
  const { path, config, resume, warn = () => {} } = options;
  if (resume === undefined) await refuseUsed(disk, path);
  await removeUnfinished(path, disk);
  // Precedes the first line of metrics: a folder with metrics can be resumed, and resuming reads the config.
  await replaceDurably(disk, join(path, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const open = (name: string, keep = 0): Promise<LineFile> => openLines({ disk, path: join(path, name), keep, warn });
  const metrics = await open('metrics.jsonl', resume?.metricsBytes);
  const traces = await open('traces.jsonl', resume?.tracesBytes);
  const events = options.tensorboard
    ? await openEvents({ disk, folder: path, after: resume && (resume.lastLine ?? -1) })
    : undefined;
  await disk.flush(path);
  return { path, disk, metrics, traces, ...(events && { events }), close: () => lock.release() };
}

/** Creates the folder if necessary and locks it. @throws RunFolderError when it is in use or not writable. */
export async function lockRunFolder(path: string, disk: Disk = realDisk): Promise<Lock> {
  await makeDurably(disk, path);
  return lockFolder(path, disk);
}

/** Creates a folder and returns what it created. Without the flush a power cut could remove it with every checkpoint. */
async function makeDurably(disk: Disk, path: string): Promise<readonly string[]> {
  const created = await onDisk(path, () => disk.makeFolder(path));
  for (const folder of created) await onDisk(folder, () => disk.flush(dirname(folder)));
  return created;
}

/**
 * Opens the files of a locked run folder. Closing the folder, and a failure to open it, release the lock.
 * @throws RunFolderError when it holds another run, or cannot be written.
 */
export async function openRunFolder(options: RunFolderOptions, lock: Lock): Promise<RunFolder> {
  try {
    return await onDisk(options.path, () => openFiles(options, options.disk ?? realDisk, lock));
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw error;
  }
}

// A file of lines counts its bytes, so that a resumed run can cut off the lines after its checkpoint.

export interface LineFile {
  /** Bytes written so far. */
  readonly size: number;
  append(lines: readonly unknown[]): Promise<void>;
  /** Makes every line durable. */
  flush(): Promise<void>;
}

export interface LineFileOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Bytes to keep; the rest is cut off. */
  readonly keep: number;
  readonly warn: (message: string) => void;
}

/** Opens a file for appending after its first `keep` bytes, or creates an empty one. */
export async function openLines({ disk, path, keep, warn }: LineFileOptions): Promise<LineFile> {
  const existing = await onDisk(path, () => disk.size(path));
  const length = existing ?? 0;
  if (length < keep) {
    warn(`${path} holds ${length} of the ${keep} bytes that the checkpoint recorded: the lines between are lost`);
  }
  if (length > keep) await onDisk(path, () => disk.truncate(path, keep));
  if (existing === undefined) await onDisk(path, () => disk.write(path, ''));
  let size = Math.min(length, keep);
  /** True while a failed append may have left half a line, which must be removed before the next one. */
  let torn = false;
  return {
    get size() {
      return size;
    },
    async append(lines) {
      const text = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await onDisk(path, async () => {
        if (torn) await disk.truncate(path, size);
        torn = true;
        await disk.append(path, text);
        torn = false;
      });
      size += text.length;
    },
    flush: () => onDisk(path, () => disk.flush(path)),
  };
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Creates the first of `base`, `base-2`, `base-3`, … that does not exist, so that runs that begin together get different
 * folders, or takes one that `isFree` says a failed start has left. @throws RunFolderError when it cannot be created.
 */
export async function claimFolder(
  base: string,
  isFree: (folder: string) => Promise<boolean> = async () => false,
  disk: Disk = realDisk,
): Promise<string> {
  await makeDurably(disk, dirname(base));
  for (let copy = 1; ; copy++) {
    const folder = copy === 1 ? base : `${base}-${copy}`;
    const isThere = await disk.exists(folder);
    if (isThere ? await isFree(folder) : (await makeDurably(disk, folder)).length > 0) return folder;
  }
}
