/** Files that are on the disk when the call returns, and typed errors when the disk refuses. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NativeError, RunFolderError } from '../errors.js';

const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space, then resume',
  EDQUOT: 'the disk quota is used up: free space, then resume',
  EROFS: 'the file system is read-only: choose another folder with --out',
  EACCES: 'no permission to write: choose another folder with --out',
  EPERM: 'no permission to write: choose another folder with --out',
  ENOTDIR: 'a part of the path is a file: choose another folder with --out',
  EEXIST: 'a file is in the way: choose another folder with --out',
  EIO: 'the disk reports an error: check it before going on',
  ENOENT: 'the folder cannot be made there: choose another with --out',
  ENAMETOOLONG: 'the name is too long: choose another folder with --out',
  EMFILE: 'too many open files: raise `ulimit -n`',
};

/** An error that names path, problem and fix in one line. */
export function runFolderError(path: string, problem: string, fix: string): RunFolderError {
  return new RunFolderError(`${path}: ${problem}; ${fix}`, { path, problem, fix });
}

/** The engine writes weights itself and reports the system's words, not its codes. */
function engineRefusal(path: string, error: NativeError): RunFolderError {
  const reason = String(error.fields.reason ?? error.message);
  const full = /no space|disk full|quota/i.test(reason);
  return runFolderError(
    path,
    `cannot be written (${reason})`,
    full ? (fixes.ENOSPC ?? '') : 'choose another folder with --out',
  );
}

/** Runs `write` and turns what the file system refuses into a RunFolderError that names path and fix. */
export async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (NativeError.isInstance(error) && code === 'IO') throw engineRefusal(path, error);
    const fix = code === undefined ? undefined : fixes[code];
    if (fix === undefined) throw error;
    throw runFolderError(path, `cannot be written (${code})`, fix);
  }
}

/** Flushes a file or a folder's entries to the disk. */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a whole file and flushes it. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Every plain file below `folder`, as sorted relative paths with `/`. */
export async function listFiles(folder: string, prefix = ''): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true });
  const nested = entries.map(async (entry) => {
    const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) return listFiles(folder, name);
    return entry.isFile() ? [name] : [];
  });
  return (await Promise.all(nested)).flat().sort();
}
