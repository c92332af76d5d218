/** The working directory, which may be gone: every library that asks for it then fails in its own way, or ends the process. */
import { NativeError } from './errors.js';

/** @throws NativeError `IO` when the working directory was deleted or cannot be read. */
export function requireWorkingFolder(): void {
  try {
    process.cwd();
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'it was deleted' : code;
    const message = `the working directory cannot be used: ${reason}; change to a folder that exists`;
    throw new NativeError('IO', message, { reason }, { cause: error });
  }
}
