/** The paths of set-up. Uses Node built-ins only, because it runs before `npm ci`. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** Logs, stamps and the set-up lock of this checkout. */
export const buildFolder = join(root, '.build');

/**
 * @typedef {{ requirement: string, file: string, bytes: number, sha256: string }} Wheel
 * @typedef {{ version: string, folder: string, platform: string, unpackedBytes: number,
 *   pip: { pythonVersion: string, platforms: string[] }, wheels: Wheel[] }} LibtorchLock
 */

/** @type {LibtorchLock} */
export const libtorchLock = JSON.parse(readFileSync(join(root, 'libtorch.json'), 'utf8'));

/**
 * Returns the folder that checkouts share: `EXIT_RL_HOME`, else `exit-rl` in the user's cache.
 * @param {NodeJS.ProcessEnv} environment
 */
export function managedHome(environment) {
  if (environment.EXIT_RL_HOME) return resolve(environment.EXIT_RL_HOME);
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'exit-rl');
}
