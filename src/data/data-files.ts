/** Expands the paths of a config (files, folders, patterns) to data files in a fixed order. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { extensions, readers } from './formats.js';
import { listSavedFiles } from './saved-dataset.js';
import type { Reader } from './sink.js';

export interface FoundFile {
  readonly path: string;
  readonly read: Reader;
}

/** A path without a readable data file, and the reason. */
export interface NotFound {
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

function findReader(path: string): Reader | undefined {
  const extension = /\.[^.]+(?:\.gz)?$/.exec(basename(path).toLowerCase())?.[0] ?? '';
  return Object.hasOwn(readers, extension) ? readers[extension] : undefined;
}

const isPattern = (path: string): boolean => /[*?]/.test(path);

/** Compiles a pattern: `**` matches any folders, `*` and `?` match within one name. */
function compilePattern(path: string): RegExp {
  const source = path
    .replace(/^\.\//, '')
    .replaceAll(/[\\^$+.()|{}[\]]/g, '\\$&')
    .replaceAll(/\*\*\/|\*\*|\*|\?/g, (wild) => {
      if (wild === '**/') return '(?:.*/)?';
      return wild === '**' ? '.*' : wild === '*' ? '[^/]*' : '[^/]';
    });
  return new RegExp(`^${source}$`);
}

async function expandPattern(pattern: string): Promise<string[]> {
  const fixed = pattern.slice(0, pattern.search(/[*?]/));
  const folder = fixed.slice(0, fixed.lastIndexOf('/') + 1);
  const names = await readdir(folder || '.', {
    recursive: pattern.includes('**') || pattern.slice(folder.length).includes('/'),
  }).catch(() => []);
  const expression = compilePattern(pattern);
  return names.map((name) => `${folder}${name}`).filter((path) => expression.test(path.replace(/^\.\//, '')));
}

export type Split = 'train' | 'test';

/** Reads the split from a file name in Hugging Face's style: `train-00000-of-00002.parquet`, `validation.jsonl`. */
function splitFromName(path: string): Split | undefined {
  const name = basename(path).toLowerCase();
  if (/^train([-_.]|$)/.test(name)) return 'train';
  return /^(test|validation|valid|val|dev|eval)([-_.]|$)/.test(name) ? 'test' : undefined;
}

async function listDataFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name));
  const hasDataFolder = entries.some((entry) => entry.isDirectory() && entry.name === 'data');
  const nested = hasDataFolder ? await listDataFiles(join(folder, 'data')) : [];
  return [...files, ...nested].filter((path) => findReader(path) !== undefined);
}

/** Lists the folder's files of this split; all files of a folder without split names belong to `train`. */
async function listSplitFiles(folder: string, split: Split): Promise<string[]> {
  const saved = await listSavedFiles(folder, (name) => (splitFromName(name) ?? 'train') === split);
  if (saved !== undefined) return saved;
  const files = await listDataFiles(folder);
  if (files.every((path) => splitFromName(path) === undefined)) return split === 'train' ? files : [];
  return files.filter((path) => splitFromName(path) === split);
}

/** True when `path` is a folder with separate files for `test`. */
export async function hasTestSplit(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isDirectory() === true && (await listSplitFiles(path, 'test')).length > 0;
}

async function expand(path: string, split: Split): Promise<string[]> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory()) return listSplitFiles(path, split);
  return status === undefined && isPattern(path) ? expandPattern(path) : [path];
}

async function examine(path: string): Promise<FoundFile | NotFound> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined)
    return { path, message: 'no such file', hint: 'check the path; it is relative to the working directory' };
  if (!status.isFile()) return { path, message: status.isDirectory() ? 'is a folder' : 'is not a regular file' };
  const read = findReader(path);
  if (read === undefined) return { path, message: 'has an unsupported format', hint: `use one of ${extensions}` };
  return status.size === 0 ? { path, message: 'is empty' } : { path, read };
}

/** Lists the files of a split; those of a folder or pattern are sorted by path. */
export async function findFiles(sources: readonly string[], split: Split): Promise<readonly (FoundFile | NotFound)[]> {
  const found: (FoundFile | NotFound)[] = [];
  for (const source of sources) {
    const paths = (await expand(source, split)).sort();
    const none: NotFound = { path: source, message: 'matches no data file', hint: `data files end in ${extensions}` };
    if (paths.length === 0) found.push(none);
    for (const path of paths) found.push(await examine(path));
  }
  return found;
}
