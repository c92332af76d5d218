/** From what the config names (files, folders, patterns) to files in a fixed order. */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Reader, readers } from './formats.js';

export interface FoundFile {
  readonly path: string;
  readonly read: Reader;
}

/** A path that names nothing to read, and why. */
export interface NotFound {
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

const extensions = Object.keys(readers).join(' ');

function readerOf(path: string): Reader | undefined {
  const extension = extname(path).toLowerCase();
  return Object.hasOwn(readers, extension) ? readers[extension] : undefined;
}

const isPattern = (path: string): boolean => /[*?]/.test(path);

/** `**` is any folders, `*` and `?` stay within one name. */
function patternOf(path: string): RegExp {
  const source = path
    .replace(/^\.\//, '')
    .replaceAll(/[\\^$+.()|{}[\]]/g, '\\$&')
    .replaceAll(/\*\*\/|\*\*|\*|\?/g, (wild) => {
      if (wild === '**/') return '(?:.*/)?';
      return wild === '**' ? '.*' : wild === '*' ? '[^/]*' : '[^/]';
    });
  return new RegExp(`^${source}$`);
}

async function matching(pattern: string): Promise<string[]> {
  const fixed = pattern.slice(0, pattern.search(/[*?]/));
  const folder = fixed.slice(0, fixed.lastIndexOf('/') + 1);
  const names = await readdir(folder || '.', {
    recursive: pattern.includes('**') || pattern.slice(folder.length).includes('/'),
  }).catch(() => []);
  const expression = patternOf(pattern);
  return names.map((name) => `${folder}${name}`).filter((path) => expression.test(path.replace(/^\.\//, '')));
}

export type Split = 'train' | 'test';

/** Hugging Face's names: `train-00000-of-00002.parquet`, `validation.jsonl`. */
function splitOf(path: string): Split | undefined {
  const name = basename(path).toLowerCase();
  if (/^train([-_.]|$)/.test(name)) return 'train';
  return /^(test|validation|valid|val|dev|eval)([-_.]|$)/.test(name) ? 'test' : undefined;
}

async function filesIn(folder: string): Promise<string[]> {
  const here = await readdir(folder, { withFileTypes: true });
  const files = here.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name));
  const data = here.some((entry) => entry.isDirectory() && entry.name === 'data');
  return [...files, ...(data ? await filesIn(join(folder, 'data')) : [])].filter(
    (path) => readerOf(path) !== undefined,
  );
}

/** The folder's files of this split; a folder that names no splits is all `train`. */
async function splitIn(folder: string, split: Split): Promise<string[]> {
  const files = await filesIn(folder);
  if (files.every((path) => splitOf(path) === undefined)) return split === 'train' ? files : [];
  return files.filter((path) => splitOf(path) === split);
}

/** True when the folder has files of its own for `test`. */
export async function hasTestSplit(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true && (await splitIn(path, 'test')).length > 0;
}

async function expand(path: string, split: Split): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return splitIn(path, split);
  return found === undefined && isPattern(path) ? matching(path) : [path];
}

async function examine(path: string): Promise<FoundFile | NotFound> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    return { path, message: 'no such file', hint: 'check the path; it is taken from the working directory' };
  if (!found.isFile()) return { path, message: found.isDirectory() ? 'is a folder' : 'is not a regular file' };
  const read = readerOf(path);
  if (read === undefined) return { path, message: 'is of no format that is read', hint: `one of ${extensions}` };
  return found.size === 0 ? { path, message: 'is empty' } : { path, read };
}

/** The files of a split, sorted by path where a folder or pattern named several. */
export async function findFiles(sources: readonly string[], split: Split): Promise<readonly (FoundFile | NotFound)[]> {
  const found: (FoundFile | NotFound)[] = [];
  for (const source of sources) {
    const paths = (await expand(source, split)).sort();
    const none: NotFound = { path: source, message: 'names no data file', hint: `files end in ${extensions}` };
    if (paths.length === 0) found.push(none);
    for (const path of paths) found.push(await examine(path));
  }
  return found;
}
