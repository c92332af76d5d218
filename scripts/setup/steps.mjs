/** The steps after libtorch: packages, addon, TypeScript. Each knows its inputs. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { libtorchVersion } from './libtorch.mjs';
import { buildFolder, root } from './paths.mjs';
import { runLogged } from './process.mjs';
import { duration } from './progress.mjs';
import { hashInputs, readStamp, writeStamp } from './stamp.mjs';

/**
 * @typedef {import('./progress.mjs').Progress} Progress
 * @typedef {import('./tools.mjs').Tool} Tool
 * @typedef {{ name: string, tools: readonly Tool[], isFresh(): boolean, run(progress: Progress): Promise<void> }} Step
 */

/** Builds go to this triple's folder, also those of plain cargo commands with the same `--target`. */
export const triple = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`;
const link = join(root, 'libtorch');
const stampOf = (/** @type {string} */ name) => join(buildFolder, `${name}.stamp`);

const packagesStamp = join(root, 'node_modules', '.exit-rl-stamp');
const packagesInputs = () => hashInputs(root, ['package-lock.json'], [process.version.split('.')[0] ?? '']);

/** @type {Step} */
export const packages = {
  name: 'npm packages',
  tools: [],
  isFresh: () => readStamp(packagesStamp) === packagesInputs(),
  async run(progress) {
    const begin = performance.now();
    const beat = setInterval(() => progress.show(`npm ci: ${secondsSince(begin)}`), 1000);
    try {
      const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
      await runLogged({ command: 'npm', args, cwd: root, log: join(buildFolder, 'npm.log') });
    } finally {
      clearInterval(beat);
    }
    writeStamp(packagesStamp, packagesInputs());
    progress.say(`npm packages installed in ${secondsSince(begin)}`);
  },
};

const addonSources = ['Cargo.toml', 'Cargo.lock', '.cargo', 'crates'];
const addonOutputs = ['binding.cjs', 'binding.d.ts'];
const addonFile = () => readdirSync(root).find((name) => /^binding\..*\.node$/.test(name));
const addonInputs = () => hashInputs(root, addonSources, [libtorchVersion(link) ?? '', triple]);
/** Includes the outputs, so that a binding.d.ts edited by hand is rebuilt. */
const addonStamp = (/** @type {string} */ inputs) => `${inputs} ${hashInputs(root, addonOutputs)}`;

/** @type {Step} */
export const addon = {
  name: 'native addon',
  tools: ['compiler', 'rust'],
  isFresh: () => addonFile() !== undefined && readStamp(stampOf('addon')) === addonStamp(addonInputs()),
  async run(progress) {
    const begin = performance.now();
    const inputs = addonInputs();
    const meter = buildMeter(progress, begin);
    const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js');
    const manifest = ['--manifest-path', 'crates/binding/Cargo.toml'];
    const outputs = ['--output-dir', '.', '--js', 'binding.cjs', '--dts', 'binding.d.ts'];
    const args = [
      cli,
      'build',
      '--platform',
      '--release',
      '--target',
      triple,
      ...manifest,
      ...outputs,
      '--',
      '--locked',
    ];
    // Passes the checkout's link instead of an exported LIBTORCH: cargo sees one constant value, and the addon's RUNPATH
    // follows the link.
    const env = {
      ...process.env,
      LIBTORCH: link,
      CARGO_TERM_PROGRESS_WHEN: 'always',
      CARGO_TERM_PROGRESS_WIDTH: '100',
    };
    try {
      await runLogged({
        command: process.execPath,
        args,
        cwd: root,
        log: join(buildFolder, 'addon.log'),
        env,
        onText: meter.read,
      });
    } finally {
      meter.stop();
    }
    writeStamp(stampOf('addon'), addonStamp(inputs));
    progress.say(`native addon built in ${secondsSince(begin)}`);
  },
};

/** CPU seconds of a measured first build, from which the remaining time is estimated. */
const firstBuildCpuSeconds = 330;

/**
 * Reads cargo's `Building [==> ] 12/180: …` and reports finished crates, elapsed and remaining time.
 * @param {Progress} progress
 * @param {number} begin
 */
function buildMeter(progress, begin) {
  let done = 0;
  let total = 0;
  let waiting = false;
  const show = () => {
    const elapsed = (performance.now() - begin) / 1000;
    if (waiting) return progress.show(`native addon: another cargo is building, waiting for it: ${duration(elapsed)}`);
    if (total === 0) return progress.show(`native addon: ${duration(elapsed)}`);
    const expected = firstBuildCpuSeconds / availableParallelism();
    const left = done / total < 0.9 && elapsed < expected ? `, about ${duration(expected - elapsed)} left` : '';
    progress.show(`native addon: ${done} of ${total} crates, ${duration(elapsed)}${left}`);
  };
  const beat = setInterval(show, 1000);
  return {
    /** @param {string} text */
    read(text) {
      const last = [...text.matchAll(/\] (\d+)\/(\d+)/g)].at(-1);
      if (last) [done, total] = [Number(last[1]), Number(last[2])];
      waiting = text.includes('Blocking waiting for file lock') || (waiting && !last && !text.includes('Compiling'));
    },
    stop: () => clearInterval(beat),
  };
}

const compiled = join(root, 'dist');
const typescriptInputs = () => hashInputs(root, ['src', 'tsconfig.json', 'binding.d.ts', 'package-lock.json']);

/** @type {Step} */
export const typescript = {
  name: 'TypeScript',
  tools: [],
  isFresh: () => existsSync(compiled) && readStamp(stampOf('typescript')) === typescriptInputs(),
  async run(progress) {
    const begin = performance.now();
    const inputs = typescriptInputs();
    // Compiles beside dist, then swaps: files of removed sources disappear, and a process that runs from dist keeps its files.
    const fresh = `${compiled}.next`;
    rmSync(fresh, { recursive: true, force: true });
    progress.show('tsc');
    const args = [join(root, 'node_modules/typescript/bin/tsc'), '--project', 'tsconfig.json', '--outDir', fresh];
    await runLogged({ command: process.execPath, args, cwd: root, log: join(buildFolder, 'tsc.log') });
    rmSync(compiled, { recursive: true, force: true });
    renameSync(fresh, compiled);
    writeStamp(stampOf('typescript'), inputs);
    progress.say(`TypeScript compiled in ${secondsSince(begin)}`);
  },
};

/** @param {number} begin milliseconds of `performance.now()` */
const secondsSince = (begin) => duration((performance.now() - begin) / 1000);
