/**
 * The operations on a run folder behind one interface: a test records them, makes each of them fail, and replays the states
 * that a power cut can leave. Only `flush` makes them durable.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  appendFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ExitRlError, NativeError, RunFolderError } from '../errors.js';

export interface Disk {
  /** Creates a folder and its parents where they do not exist. Returns the created folders, outermost first. */
  makeFolder(path: string): Promise<readonly string[]>;
  /** Writes a whole file and replaces the content of an existing one. */
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Writes a file that must not exist. */
  create(path: string, content: string): Promise<void>;
  /** Appends to a file, which it creates if necessary. */
  append(path: string, content: Uint8Array): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  /** Makes the bytes of a file, or the entries of a folder, durable. */
  flush(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name, which must not exist. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with its contents, where it exists. */
  remove(path: string): Promise<void>;
  /** Notes the files of `folder` that the engine has written and flushed, in this order; a test's disk records them. */
  adopt(folder: string, files: readonly { readonly name: string }[]): Promise<void>;

  read(path: string): Promise<Uint8Array>;
  /** SHA-256 of a file, in hexadecimal. */
  hash(path: string): Promise<string>;
  /** Names in a folder; none when it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Size of a plain file in bytes; undefined when there is none. */
  size(path: string): Promise<number | undefined>;
  exists(path: string): Promise<boolean>;
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Resolves to undefined when the path does not exist. Any other failure rejects: an unreadable folder is not empty. */
async function ifExists<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  return reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function makeFolder(path: string): Promise<string[]> {
  const whole = resolve(path);
  const first = await mkdir(whole, { recursive: true });
  if (first === undefined) return [];
  const made = [whole];
  for (let folder = whole; folder !== first && folder !== dirname(folder); ) {
    folder = dirname(folder);
    made.unshift(folder);
  }
  return made;
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file system of this machine. */
export const realDisk: Disk = {
  makeFolder,
  write: writeFile,
  create: (path, content) => writeFile(path, content, { flag: 'wx' }),
  append: appendFile,
  truncate,
  flush,
  rename,
  link,
  remove: (path) => rm(path, { recursive: true, force: true }),
  adopt: async () => {},
  read: readFile,
  hash: hashFile,
  list: async (path) => (await ifExists(readdir(path))) ?? [],
  async size(path) {
    const stats = await ifExists(stat(path));
    return stats?.isFile() ? stats.size : undefined;
  },
  exists: async (path) => (await ifExists(stat(path))) !== undefined,
};

/** Writes a whole file and flushes it. The caller flushes the folder. */
export async function writeDurably(disk: Disk, path: string, content: string): Promise<void> {
  await disk.write(path, content);
  await disk.flush(path);
}

/** Replaces the content of a file; a crash leaves the whole old content or the whole new one. */
export async function replaceDurably(disk: Disk, path: string, content: string): Promise<void> {
  await writeDurably(disk, `${path}.tmp`, content);
  await disk.rename(`${path}.tmp`, path);
  await disk.flush(dirname(path));
}

// Converts errors of the file system to typed errors that name path and fix.

const elsewhere = 'choose another folder with --out';

const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space, then resume',
  EDQUOT: 'the disk quota is used up: free space, then resume',
  EFBIG: 'the file is too large for this disk or for `ulimit -f`: raise the limit, then resume',
  EROFS: `the file system is read-only: ${elsewhere}`,
  EACCES: `permission is denied: grant it, or ${elsewhere}`,
  EPERM: `permission is denied: grant it, or ${elsewhere}`,
  ENOTDIR: `a part of the path is a file: ${elsewhere}`,
  EEXIST: `a file is in the way: ${elsewhere}`,
  EISDIR: `a folder is in the way: ${elsewhere}`,
  EIO: 'the disk reports an error: check it, then resume',
  ENOENT: `the folder is missing and cannot be created there: ${elsewhere}`,
  ENAMETOOLONG: `the name is too long: ${elsewhere}`,
  EMFILE: 'too many open files: raise `ulimit -n`',
  ENFILE: 'too many open files on this machine: close some',
};

/** Creates an error that names path, problem and fix in one line. */
export function runFolderError(path: string, problem: string, fix: string, cause?: unknown): RunFolderError {
  const options = cause === undefined ? undefined : { cause };
  return new RunFolderError(`${path}: ${problem}; ${fix}`, { path, problem, fix }, options);
}

/** Converts an error of the engine, which writes the weights and reports the system's message without its code. */
function toEngineError(folder: string, error: NativeError): RunFolderError {
  const reason = String(error.fields.reason ?? error.message);
  const full = /no space|disk full|quota/i.test(reason);
  const path = String(error.fields.path ?? folder);
  return runFolderError(path, `cannot be written (${reason})`, (full && fixes.ENOSPC) || elsewhere, error);
}

/** Runs `work` and converts errors of the file system. @throws RunFolderError that names path and fix. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, path: refused, syscall } = error as NodeJS.ErrnoException;
    if (NativeError.isInstance(error) && code === 'IO') throw toEngineError(path, error);
    if (ExitRlError.isInstance(error) || code === undefined || syscall === undefined) throw error;
    const fix = fixes[code] ?? 'look the code up in the system manual, then resume';
    throw runFolderError(refused ?? path, `${syscall} failed (${code})`, fix, error);
  }
}
