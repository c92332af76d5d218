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
