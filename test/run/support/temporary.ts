/** Folders for tests that flush thousands of files: in memory where the system has such a place. */
import { accessSync, constants } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export const quickFolder = (name: string): Promise<string> =>
  mkdtemp(join(writable('/dev/shm') ? '/dev/shm' : tmpdir(), `exit-rl-${name}-`));
