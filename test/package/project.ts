/** Makes a user's project with the packed package installed, without a network. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libtorchLock } from '../../scripts/setup/paths.mjs';
import { addonFile } from '../../src/native.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Manifest {
  readonly version: string;
  readonly bin: { readonly 'exit-rl': string };
  readonly sideEffects: readonly string[];
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

export const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

export interface Project {
  readonly folder: string;
  /** The installed package inside it. */
  readonly installed: string;
  readonly tarball: string;
  /** Paths of the packed files, relative to the package. */
  readonly files: readonly string[];
  write(name: string, text: string): string;
  /** Runs node in the project and returns its output; fails on another exit code than 0 and on any standard error. */
  run(args: readonly string[]): string;
  remove(): void;
}

function succeed(command: string, args: readonly string[], cwd: string, env = process.env): string {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status !== 0 || stderr !== '') throw new Error(`${command} ${args.join(' ')}: ${status}\n${stderr}${stdout}`);
  return stdout;
}

/** The dependencies of the package and of a TypeScript project; the project finds nothing else of the checkout. */
function linkDependencies(modules: string): void {
  for (const name of [...Object.keys(manifest.dependencies), 'tsx', 'typescript', '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
}

/** Shares the libtorch of this checkout as set-up does, because the package has no link to one. */
function shareLibtorch(home: string): void {
  const shared = join(home, libtorchLock.folder);
  mkdirSync(shared, { recursive: true });
  for (const name of ['lib', 'build-version']) symlinkSync(join(root, 'libtorch', name), join(shared, name));
  writeFileSync(join(shared, 'exit-rl.json'), '{}');
}

function placeAddon(installed: string): void {
  const addon = addonFile();
  if (addon !== undefined) copyFileSync(addon, join(installed, basename(addon)));
}

export function installPackage(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-package-'));
  const packed = succeed('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [{ filename, files }] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  const tarball = join(folder, filename);
  const installed = join(folder, 'node_modules/exit-rl');
  mkdirSync(installed, { recursive: true });
  succeed('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed], folder);
  linkDependencies(join(folder, 'node_modules'));
  placeAddon(installed);
  shareLibtorch(join(folder, 'home'));
  const { LIBTORCH: _, NODE_OPTIONS: __, ...environment } = process.env;
  const env = { ...environment, EXIT_RL_HOME: join(folder, 'home') };
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  write('package.json', JSON.stringify({ name: 'a-project', type: 'module' }));
  return {
    ...{ folder, installed, tarball, write, files: files.map(({ path }) => path) },
    run: (args) => succeed(process.execPath, args, folder, env),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
