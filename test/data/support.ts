/** Writes data files into a temporary folder. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type DataLimits, defaultLimits } from '../../src/data/limits.js';
import { type DataSet, type DataSettings, loadData } from '../../src/data/load-data.js';
import { DataError, type DataProblem } from '../../src/errors.js';

const settings: DataSettings = { train: [], promptColumn: 'prompt', chat: false, testShare: 0, limit: 0, splitSeed: 0 };

export function load(changes: Partial<DataSettings>, limits: Partial<DataLimits> = {}): Promise<DataSet> {
  return loadData({ ...settings, ...changes }, { ...defaultLimits, ...limits });
}

/** Returns the problems of these files; rethrows an error of another class. */
export async function problemsOf(
  changes: Partial<DataSettings>,
  limits?: Partial<DataLimits>,
): Promise<readonly DataProblem[]> {
  try {
    await load(changes, limits);
  } catch (error) {
    if (DataError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

export interface Folder {
  /** The path of a name in the folder. */
  at(name: string): string;
  write(name: string, content: string | Uint8Array): Promise<string>;
}

/** Creates a folder for the tests of a file, and removes it afterwards. */
export function dataFolder(): Folder {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'exit-rl-data-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  const at = (name: string): string => join(root, name);
  return {
    at,
    async write(name, content) {
      await writeFile(at(name), content);
      return at(name);
    },
  };
}
