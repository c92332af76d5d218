/**
 * Chooses the libtorch that a process loads. The addon is linked against the one that its RUNPATH names; another build of
 * the same version can be mapped before the addon, which brings CUDA without a second addon.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeError } from './errors.js';

/** Patch releases keep the C++ interface; any other version needs another addon. */
const libtorchSeries = '2.11';

export type LibtorchSource = 'LIBTORCH' | 'VIRTUAL_ENV' | 'CONDA_PREFIX' | 'built-in' | 'managed';

/** A folder that may hold libtorch, and why the process uses it or not. */
export interface LibtorchCandidate {
  readonly source: LibtorchSource;
  /** The folder that contains lib/libtorch_cpu.so. */
  readonly folder: string;
  readonly version: string | undefined;
  readonly cuda: boolean;
  readonly used: boolean;
  readonly reason: string;
  /** True when the user requested this folder and it cannot be used. */
  readonly refused: boolean;
}

/** The inputs of the choice, apart from the files. */
export interface LibtorchQuestion {
  readonly environment: NodeJS.ProcessEnv;
  /** `auto`, `cpu`, `cuda` or `cuda:N`. */
  readonly device: string;
  /** The folder that the addon's RUNPATH names. */
  readonly builtIn: string;
  readonly nvidiaDriver: boolean;
}

/** Returns the package's folder, from the sources and from dist. */
export function packageRoot(from = dirname(fileURLToPath(import.meta.url))): string {
  if (existsSync(join(from, 'package.json')) || from === dirname(from)) return from;
  return packageRoot(dirname(from));
}

/** Returns the version of this package, from its package.json. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}

/** True when the kernel has an NVIDIA driver; without one libtorch's CUDA build is of no use. */
export function hasNvidiaDriver(): boolean {
  return ['/dev/nvidiactl', '/proc/driver/nvidia/version', '/dev/dxg'].some((path) => existsSync(path));
}

/** Reads the version of a libtorch folder or a Python `torch` folder, with its local part (`2.11.0+cu130`). */
export function libtorchVersion(folder: string): string | undefined {
  const buildVersion = join(folder, 'build-version');
  if (existsSync(buildVersion)) return readFileSync(buildVersion, 'utf8').trim();
  const python = join(folder, 'version.py');
  return existsSync(python) ? /__version__ = '([^']+)'/.exec(readFileSync(python, 'utf8'))?.[1] : undefined;
}

/** Lists all candidates in order of preference; at most one of them is used. */
export function findLibtorch(question: LibtorchQuestion): readonly LibtorchCandidate[] {
  const places = [
    ...exportedPlaces(question),
    ...pythonPlaces(question.environment),
    ['built-in', question.builtIn] as const,
    ...managedPlaces(question),
  ];
  const found: LibtorchCandidate[] = [];
  for (const [source, folder] of places) {
    const used = found.some((candidate) => candidate.used || candidate.refused);
    found.push(examine(source, folder, question, used));
  }
  return found;
}

type Place = readonly [LibtorchSource, string];

function exportedPlaces({ environment, builtIn }: LibtorchQuestion): Place[] {
  const { LIBTORCH } = environment;
  if (!LIBTORCH || samePlace(LIBTORCH, builtIn)) return [];
  return [['LIBTORCH', resolve(LIBTORCH)]];
}

function samePlace(a: string, b: string): boolean {
  return resolve(a) === resolve(b) || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}

/** Lists the `torch` folders of the active Python environment. */
function pythonPlaces(environment: NodeJS.ProcessEnv): Place[] {
  return (['VIRTUAL_ENV', 'CONDA_PREFIX'] as const).flatMap((source) => {
    const library = environment[source] ? join(environment[source], 'lib') : '';
    if (!library || !existsSync(library)) return [];
    const pythons = readdirSync(library).filter((name) => /^python3\.\d+$/.test(name));
    const folders = pythons.map((python) => join(library, python, 'site-packages', 'torch'));
    return folders.filter((folder) => existsSync(folder)).map((folder): Place => [source, folder]);
  });
}

/** The folder that set-up shares between checkouts and packages. (scripts/setup/paths.mjs has the same rule.) */
function managedHome({ EXIT_RL_HOME, XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  if (EXIT_RL_HOME) return resolve(EXIT_RL_HOME);
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'exit-rl');
}

/** Where set-up of a checkout has put libtorch: an installed package has none of its own. */
function managedPlaces({ environment, builtIn }: LibtorchQuestion): Place[] {
  const home = managedHome(environment);
  if (existsSync(builtIn) || !existsSync(home)) return [];
  const folders = readdirSync(home).filter((name) => name.startsWith(`libtorch-${libtorchSeries}.`));
  return folders.sort().map((name): Place => ['managed', join(home, name)]);
}

function examine(
  source: LibtorchSource,
  folder: string,
  question: LibtorchQuestion,
  taken: boolean,
): LibtorchCandidate {
  const version = libtorchVersion(folder);
  const cuda = existsSync(join(folder, 'lib', 'libtorch_cuda.so'));
  const against =
    findObjection(source, folder, version) ??
    (taken ? 'an earlier one in this list takes precedence' : findPreference(source, cuda, question));
  const refused = source === 'LIBTORCH' && against !== undefined;
  const reason = against ?? whyUsed(source);
  return { source, folder, version, cuda, used: against === undefined, refused, reason };
}

function whyUsed(source: LibtorchSource): string {
  if (source === 'built-in') return 'the addon was built with it';
  return source === 'managed' ? 'set-up has fetched it' : `found through ${source}`;
}

/** Explains why this folder cannot be used at all; undefined where it can. */
function findObjection(source: LibtorchSource, folder: string, version: string | undefined): string | undefined {
  if (!existsSync(join(folder, 'lib', 'libtorch_cpu.so'))) return 'lib/libtorch_cpu.so is missing';
  // Set-up writes this file last.
  if (source === 'managed' && !existsSync(join(folder, 'exit-rl.json'))) return 'set-up has not finished it';
  if (version?.startsWith(`${libtorchSeries}.`)) return undefined;
  if (version === undefined && source === 'built-in') return undefined;
  return `version ${version ?? 'unknown'}, ${libtorchSeries} is needed`;
}

/** Explains why a usable Python environment is not used: its libtorch is loaded only for CUDA. */
function findPreference(source: LibtorchSource, cuda: boolean, question: LibtorchQuestion): string | undefined {
  if (source !== 'VIRTUAL_ENV' && source !== 'CONDA_PREFIX') return undefined;
  if (question.device === 'cpu') return 'the device is cpu';
  if (!cuda) return 'a build without CUDA';
  return question.device === 'auto' && !question.nvidiaDriver ? 'no NVIDIA driver on this machine' : undefined;
}

/**
 * Returns the candidate in use.
 * @throws NativeError `LIBTORCH` when an exported LIBTORCH cannot be used, or when there is no candidate.
 */
export function chooseLibtorch(candidates: readonly LibtorchCandidate[]): LibtorchCandidate {
  const refused = candidates.find((candidate) => candidate.refused);
  if (refused) {
    const advice = `point it at libtorch ${libtorchSeries}, or unset it`;
    throw new NativeError('LIBTORCH', `LIBTORCH=${refused.folder}: ${refused.reason}; ${advice}`, { ...refused });
  }
  const used = candidates.find((candidate) => candidate.used);
  if (used) return used;
  const tried = candidates.map(({ folder, reason }) => `${folder}: ${reason}`).join('; ');
  throw new NativeError('LIBTORCH', `no libtorch was found (${tried}); run \`npm run build\``, { candidates });
}
