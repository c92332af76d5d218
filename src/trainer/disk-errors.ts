/** What a file system refuses, as a typed error that names path and fix. */
import { ExitError, NativeError, RunFolderError } from '../errors.js';

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
    if (ExitError.isInstance(error) || code === undefined || syscall === undefined) throw error;
    const fix = fixes[code] ?? 'see what the system says of it, then resume';
    throw runFolderError(refused ?? path, `${syscall} failed (${code})`, fix, error);
  }
}
