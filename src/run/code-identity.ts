/**
 * Hashes the code that a run takes from the user: the modules of reward functions, of the verifier and of the task, with the
 * local modules that they import, and the versions of the packages that these name. What a script passes as functions is not
 * hashed: their text tells nothing about the variables that they close over.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { RunConfig } from '../config/parse.js';
import { findPackage, isModulePath } from './task-module.js';

/** The parts of a config whose code is hashed; `--allow-change` takes these names. */
export const codeParts = ['rewards', 'verifier', 'task'] as const;
type CodePart = (typeof codeParts)[number];

/** Hashes of files by their path from the first module, and versions of packages by their names. */
type CodeHashes = Readonly<Record<string, string>>;

export type CodeIdentity = Readonly<Partial<Record<CodePart, CodeHashes>>>;

/** `from '…'`, `import '…'`, `import('…')`, `require('…')`; in a comment as well, which does no harm. */
const imported = /\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g;

const extensions = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];

/** The file that a path means, as TypeScript and bundlers resolve it: `./x`, `./x.js` for x.ts, `./x/index.ts`. */
function findFile(path: string): string | undefined {
  const bare = path.replace(/\.([cm]?)js$/, '');
  const candidates = [
    path,
    ...extensions.map((extension) => `${path}${extension}`),
    ...(bare === path ? [] : extensions.map((extension) => `${bare}${extension}`)),
    ...extensions.map((extension) => join(path, `index${extension}`)),
  ];
  return candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
}

/** The name of the package in a specifier: `@scope/name` or `name`. */
const packageName = (specifier: string): string => /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[0] ?? specifier;

function versionIn(folder: string): string | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

/** The version of an installed package, seen from a file; undefined when it is not installed. */
function packageVersionFrom(file: string, name: string): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const version = versionIn(join(folder, 'node_modules', name));
    if (version !== undefined || folder === dirname(folder)) return version;
  }
}

/** The package whose file this is; undefined for a file outside node_modules. */
const ownPackage = (file: string): string | undefined => {
  const inside = file.split('/node_modules/').at(-1);
  return inside === undefined || inside === file ? undefined : packageName(inside);
};

class CodeHasher {
  readonly hashes: Record<string, string> = {};
  private readonly seen = new Set<string>();

  constructor(private readonly root: string) {}

  /** Adds a module and what it imports; a module that is not there is left to the error of loading it. */
  add(file: string): void {
    const whole = existsSync(file) ? realpathSync(file) : undefined;
    if (whole === undefined || this.seen.has(whole)) return;
    this.seen.add(whole);
    const owner = ownPackage(whole);
    if (owner !== undefined) {
      this.addPackage(whole, owner);
      return;
    }
    const text = readFileSync(whole);
    this.hashes[relative(this.root, whole)] = createHash('sha256').update(text).digest('hex');
    for (const [, , specifier = ''] of text.toString('utf8').matchAll(imported)) this.follow(whole, specifier);
  }

  private follow(file: string, specifier: string): void {
    const isLocal = specifier.startsWith('.') || isAbsolute(specifier);
    const found = isLocal ? findFile(resolve(dirname(file), specifier)) : undefined;
    if (found !== undefined) this.add(found);
    else if (!isLocal && !isBuiltin(specifier)) this.addPackage(file, packageName(specifier));
  }

  /** The version of this package is named by the checkpoint, and only warned of. */
  private addPackage(file: string, name: string): void {
    const version = name === 'exit-rl' ? undefined : packageVersionFrom(file, name);
    if (version !== undefined) this.hashes[name] = version;
  }
}

function hashCode(files: readonly string[]): CodeHashes | undefined {
  const [first] = files.filter((file) => existsSync(file));
  if (first === undefined) return undefined;
  const hasher = new CodeHasher(dirname(realpathSync(first)));
  for (const file of files) hasher.add(resolve(file));
  return Object.fromEntries(Object.entries(hasher.hashes).sort(([one], [other]) => (one < other ? -1 : 1)));
}

async function taskFiles(task: string | undefined): Promise<string[]> {
  if (task === undefined) return [];
  if (isModulePath(task)) return [task];
  const installed = await findPackage(task).catch(() => undefined);
  return installed === undefined ? [] : [installed];
}

/** The keys of a config that name code. */
export type NamedCode = Partial<Readonly<Pick<RunConfig, CodePart>>>;

/** The hashes of the code that a config names; a part without files is absent. */
export async function identifyCode({ rewards = [], verifier, task }: NamedCode): Promise<CodeIdentity> {
  const files: Readonly<Record<CodePart, readonly string[]>> = {
    rewards: rewards.flatMap(({ file }) => file ?? []),
    verifier: verifier === undefined ? [] : [verifier.file],
    task: await taskFiles(task),
  };
  const hashed = codeParts.flatMap((part) => {
    const hashes = hashCode(files[part]);
    return hashes === undefined ? [] : [[part, hashes] as const];
  });
  return Object.fromEntries(hashed);
}

/** A file or package of a part that differs. */
export interface CodeChange {
  readonly field: CodePart;
  readonly before: string;
  readonly after: string;
}

/** Lists the files and packages that differ, in the parts that both have. */
export function changedCode(before: CodeIdentity = {}, after: CodeIdentity = {}): CodeChange[] {
  return codeParts.flatMap((field) => {
    const [old, now] = [before[field], after[field]];
    if (old === undefined || now === undefined) return [];
    const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((name) => old[name] !== now[name]);
    const shown = (hash: string | undefined): string => hash?.slice(0, 12) ?? 'absent';
    return names.map((name) => ({ field, before: `${name} ${shown(old[name])}`, after: shown(now[name]) }));
  });
}
