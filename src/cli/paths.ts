/** Path helpers of several commands. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Returns the first of runs/NAME, runs/NAME-2, … that does not exist. */
export async function freeFolder(name: string): Promise<string> {
  for (let copy = 1; ; copy++) {
    const folder = join('runs', copy === 1 ? name : `${name}-${copy}`);
    if (!(await exists(folder))) return folder;
  }
}
