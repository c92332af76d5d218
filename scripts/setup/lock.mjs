/** Allows one set-up at a time in a folder: the second waits for the first and then finds its work done. */
import { existsSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const beatSeconds = 2;
/** A holder that has not touched its lock for this long is dead, on this machine or another. */
const staleSeconds = 30;

/**
 * Holds the lock file while `work` runs.
 * @template T
 * @param {string} path
 * @param {() => void} onWait called once when another process holds the lock
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, onWait, work) {
  mkdirSync(dirname(path), { recursive: true });
  let waited = false;
  while (!take(path)) {
    if (!waited) onWait();
    waited = true;
    await sleep(500);
  }
  const release = () => rmSync(path, { force: true });
  const beat = setInterval(() => touch(path), beatSeconds * 1000);
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.removeListener('exit', release);
    release();
  }
}

/** @param {string} path */
function touch(path) {
  // Another process may have removed the folder; the work then fails with its own error.
  if (existsSync(path)) utimesSync(path, new Date(), new Date());
}

/** @param {string} path */
function take(path) {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    if (isStale(path)) rmSync(path, { force: true });
    return false;
  }
}

/** @param {string} path */
function isStale(path) {
  const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return modified !== undefined && Date.now() - modified > staleSeconds * 1000;
}
