/** Finds the libtorch that this checkout builds against, and whether it is complete. */
import {
  existsSync,
  lstatSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { libtorchLock, managedHome } from './paths.mjs';
import { SetupError } from './progress.mjs';

const library = join('lib', 'libtorch_cpu.so');
const marker = 'exit-rl.json';

/**
 * Reads the version of a libtorch folder or of a Python environment's `torch` folder, without its local part;
 * undefined when it is not recorded. (src/libtorch.ts reads the same files at run time; this runs before it is compiled.)
 * @param {string} folder
 */
export function libtorchVersion(folder) {
  const read = (/** @type {string} */ name) => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  const found = read('build-version').trim() || /__version__ = '([^']+)'/.exec(read('version.py'))?.[1];
  return found?.split('+')[0];
}

/**
 * Returns the folder that an exported LIBTORCH names. Throws an error with the fix when it cannot be used.
 * @param {string} path
 */
export function exportedLibtorch(path) {
  const folder = resolve(path);
  const otherwise = `Point it at libtorch ${libtorchLock.version}, or unset it: set-up then fetches its own.`;
  for (const part of [library, join('include', 'torch')]) {
    if (!existsSync(join(folder, part))) throw new SetupError(`LIBTORCH=${path} has no ${part}. ${otherwise}`);
  }
  const version = libtorchVersion(folder);
  if (version === libtorchLock.version) return realpathSync(folder);
  throw new SetupError(
    `LIBTORCH=${path} is version ${version ?? 'unknown'}, ${libtorchLock.version} is needed. ${otherwise}`,
  );
}

/**
 * True when `link` leads to `folder`.
 * @param {string} link
 * @param {string} folder
 */
export const isLinked = (link, folder) =>
  existsSync(link) && existsSync(folder) && realpathSync(link) === realpathSync(folder);

/** @param {NodeJS.ProcessEnv} environment */
export const managedFolder = (environment) => join(managedHome(environment), libtorchLock.folder);

/** Identifies the layout, so that other wheels or other paths use another folder. */
const layoutId = () => JSON.stringify(libtorchLock.wheels);

/**
 * True when `folder` is complete and comes from the wheels that libtorch.json names.
 * @param {string} folder
 */
export function isComplete(folder) {
  try {
    const { layout, libraryBytes } = JSON.parse(readFileSync(join(folder, marker), 'utf8'));
    return layout === layoutId() && statSync(join(folder, library)).size === libraryBytes;
  } catch {
    return false;
  }
}

/**
 * Writes the marker last: a folder without it is incomplete.
 * @param {string} folder
 */
export function markComplete(folder) {
  const state = {
    version: libtorchLock.version,
    libraryBytes: statSync(join(folder, library)).size,
    layout: layoutId(),
  };
  writeFileSync(join(folder, marker), `${JSON.stringify(state)}\n`);
}

/**
 * Chooses the libtorch to build against: an exported LIBTORCH, else the target of the checkout's link that an earlier one
 * set, else the managed folder.
 * @param {NodeJS.ProcessEnv} environment
 * @param {string} link the checkout's `libtorch` link
 * @returns {{ folder: string, managed: boolean, ready: boolean }}
 */
export function chooseLibtorch(environment, link) {
  if (environment.LIBTORCH && resolve(environment.LIBTORCH) !== link) {
    return { folder: exportedLibtorch(environment.LIBTORCH), managed: false, ready: true };
  }
  const linked = existsSync(link) ? realpathSync(link) : undefined;
  const isForeign = linked !== undefined && basename(linked) !== libtorchLock.folder;
  if (isForeign && existsSync(join(linked, library)) && libtorchVersion(linked) === libtorchLock.version) {
    return { folder: linked, managed: false, ready: true };
  }
  const folder = managedFolder(environment);
  return { folder, managed: true, ready: isComplete(folder) };
}

/**
 * Points `link` at `folder` in one step, so that a concurrent build never finds it missing.
 * @param {string} link
 * @param {string} folder
 */
export function linkLibtorch(link, folder) {
  const present = lstatSync(link, { throwIfNoEntry: false });
  if (present && !present.isSymbolicLink())
    throw new SetupError(`${link} is not a link; move it away: set-up puts its own there.`);
  if (isLinked(link, folder)) return;
  const fresh = `${link}.${process.pid}`;
  rmSync(fresh, { force: true });
  symlinkSync(folder, fresh);
  renameSync(fresh, link);
}
