/** The origin that every result states: machine and commit. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Matches the CPU flags of instruction sets that affect matrix products. */
const relevantFlags = /^(avx|fma|f16c|amx|sse4|bmi2|asimd|sve)/;

export interface Machine {
  readonly cpu: string | undefined;
  readonly cores: number;
  /** Instruction sets that affect matrix products. */
  readonly flags: readonly string[];
  readonly memoryGiB: number;
  readonly node: string;
  /** Load of the last minute, before the benchmark. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1] ?? '';
  return {
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    flags: flags.split(' ').filter((flag) => relevantFlags.test(flag)),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** Describes the commit, and whether tracked files differ from it. */
export function describeCommit(): { commit: string; modified: boolean } {
  const git = (...parameters: string[]): string =>
    spawnSync('git', parameters, { cwd: root, encoding: 'utf8' }).stdout.trim();
  const built = ['src', 'crates', 'bench', 'Cargo.lock', ':!bench/results'];
  return { commit: git('rev-parse', 'HEAD'), modified: git('status', '--porcelain', '--', ...built) !== '' };
}
