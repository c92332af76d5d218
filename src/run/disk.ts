/**
 * Every operation on a run folder goes through here, so that a test can record them, let each of them fail, and replay
 * what a power cut leaves of them. None of them is durable by itself: `flush` is.
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
import { dirname } from 'node:path';
import { ExitRlError, NativeError, RunFolderError } from '../errors.js';
import type { WrittenFile } from '../policy/policy.js';

export interface Disk {
  /** Makes a folder and those above it; one that is there already is fine. Returns the folders it made, outermost first. */
  makeFolder(path: string): Promise<readonly string[]>;
  /** Writes a whole file, new or in place of an old one's content. */
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Writes a file that must not exist. */
  create(path: string, content: string): Promise<void>;
  /** Writes at the end of a file, which is made where there is none. */
  append(path: string, content: Uint8Array): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  /** A file's bytes, or a folder's entries, are on the disk when this returns. */
  flush(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file; the name must not exist. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all it holds; one that is not there is fine. */
  remove(path: string): Promise<void>;
  /** Told of the files of `folder` that the engine has written and flushed itself, in this order. */
  adopt(folder: string, files: readonly WrittenFile[]): Promise<void>;

  read(path: string): Promise<Uint8Array>;
  /** SHA-256 of a file, in hexadecimal. */
  hash(path: string): Promise<string>;
  /** Names in a folder; none where there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** Bytes of a plain file; undefined where there is none. */
  size(path: string): Promise<number | undefined>;
  exists(path: string): Promise<boolean>;
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Undefined where there is nothing; every other failure is one: a folder that cannot be read is not an empty one. */
async function where<Value>(found: Promise<Value>): Promise<Value | undefined> {
  return found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function makeFolder(path: string): Promise<string[]> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return [];
  const made: string[] = [];
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) made.unshift(folder);
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

/** The disk of this machine. */
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
  list: async (path) => (await where(readdir(path))) ?? [],
  async size(path) {
    const found = await where(stat(path));
    return found?.isFile() ? found.size : undefined;
  },
  exists: async (path) => (await where(stat(path))) !== undefined,
};

/** Writes a whole file and flushes it. The folder's entry is the caller's to flush. */
export async function writeDurably(disk: Disk, path: string, content: string): Promise<void> {
  await disk.write(path, content);
  await disk.flush(path);
}

/** Puts a new content in a file's place: a crash leaves the old one or the new one, whole. */
export async function replaceDurably(disk: Disk, path: string, content: string): Promise<void> {
  await writeDurably(disk, `${path}.tmp`, content);
  await disk.rename(`${path}.tmp`, path);
  await disk.flush(dirname(path));
}

// File-system errors as typed errors that name path and fix.

const elsewhere = 'choose another folder with --out';

const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space, then resume',
  EDQUOT: 'the disk quota is used up: free space, then resume',
  EFBIG: 'the file is too large for this disk or for `ulimit -f`: raise the limit, then resume',
  EROFS: `the file system is read-only: ${elsewhere}`,
  EACCES: `permission is missing: give it, or ${elsewhere}`,
  EPERM: `permission is missing: give it, or ${elsewhere}`,
  ENOTDIR: `a part of the path is a file: ${elsewhere}`,
  EEXIST: `a file is in the way: ${elsewhere}`,
  EISDIR: `a folder is in the way: ${elsewhere}`,
  EIO: 'the disk reports an error: check it, then resume',
  ENOENT: `the folder is gone or cannot be made there: ${elsewhere}`,
  ENAMETOOLONG: `the name is too long: ${elsewhere}`,
  EMFILE: 'too many open files: raise `ulimit -n`',
  ENFILE: 'too many open files on this machine: close some',
};

/** An error that names path, problem and fix in one line. */
export function runFolderError(path: string, problem: string, fix: string, cause?: unknown): RunFolderError {
  const options = cause === undefined ? undefined : { cause };
  return new RunFolderError(`${path}: ${problem}; ${fix}`, { path, problem, fix }, options);
}

/** The engine writes weights itself and reports the system's words, not its codes. */
function engineRefusal(folder: string, error: NativeError): RunFolderError {
  const reason = String(error.fields.reason ?? error.message);
  const full = /no space|disk full|quota/i.test(reason);
  const path = String(error.fields.path ?? folder);
  return runFolderError(path, `cannot be written (${reason})`, (full && fixes.ENOSPC) || elsewhere, error);
}

/** Runs `work` and turns what the file system refuses into a RunFolderError that names path and fix. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, path: refused, syscall } = error as NodeJS.ErrnoException;
    if (NativeError.isInstance(error) && code === 'IO') throw engineRefusal(path, error);
    if (ExitRlError.isInstance(error) || code === undefined || syscall === undefined) throw error;
    const fix = fixes[code] ?? 'see what the system says of it, then resume';
    throw runFolderError(refused ?? path, `${syscall} failed (${code})`, fix, error);
  }
}
