/** Examines everything that a run needs and returns the findings; prints nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { delimiter, join } from 'node:path';
import { DeviceError } from '../../errors.js';
import { hasNvidiaDriver, type LibtorchCandidate, packageVersion } from '../../libtorch.js';
import { addonFile, type EngineInfo, libtorchCandidates, loadedLibtorch, native } from '../../native.js';

/** A problem and its fix. `needed` is false when runs work without it. */
export interface Problem {
  readonly what: string;
  readonly fix: string;
  readonly needed: boolean;
}

/** A device, and whether `--device auto` can use it. */
export interface DeviceReport {
  readonly device: 'cpu' | 'cuda';
  readonly usable: boolean;
  readonly count: number;
  readonly reason: string;
}

export interface Examination {
  readonly ok: boolean;
  readonly versions: Readonly<Record<'exitRl' | 'node' | 'libtorch' | 'rustc', string | undefined>>;
  readonly addon: { readonly file: string | undefined; readonly loaded: boolean; readonly error: string | undefined };
  readonly libtorch: readonly LibtorchCandidate[];
  readonly devices: readonly DeviceReport[];
  readonly cpu: {
    readonly model: string;
    readonly flags: readonly string[];
    /** Vector instructions that the decoding kernels use; undefined when the addon is not loaded. */
    readonly instructions: string | undefined;
    readonly threads: number;
  };
  readonly problems: readonly Problem[];
}

const usefulFlags = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_bf16'];

/** Reads the CPU's vector flags from the kernel; empty where the kernel does not list them. */
function cpuFlags(): string[] {
  if (!existsSync('/proc/cpuinfo')) return [];
  const words = /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
  return usefulFlags.filter((flag) => words.includes(flag));
}

/** Returns the version of rustc, which is needed only to build. */
function rustVersion(): string | undefined {
  const { status, stdout } = spawnSync('rustc', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split(' ')[1] : undefined;
}

interface Attempt {
  readonly info: EngineInfo | undefined;
  /** The reason why the addon does not load. */
  readonly error: string | undefined;
  /** The reason why the requested device cannot be used, although the addon loads. */
  readonly deviceError?: string;
}

function tryAddon(device: string): Attempt {
  try {
    return { info: native(device).engineInfo(), error: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (DeviceError.isInstance(error)) return { ...tryAddon('cpu'), deviceError: message };
    return { info: undefined, error: message };
  }
}

/** Explains why CUDA cannot be used, the most basic reason first. */
function explainCuda(driver: boolean, attempt: Attempt): string {
  if (attempt.info?.cudaAvailable) return 'used';
  if (!driver) return 'no NVIDIA driver on this machine';
  if (attempt.error) return 'the addon does not load';
  if (!loadedLibtorch()?.cuda) return 'the libtorch in use is a CPU build';
  return 'libtorch has CUDA but finds no device';
}

function findCudaFix(candidates: readonly LibtorchCandidate[], driver: boolean): string {
  if (!driver) return 'nothing to do on a machine without an NVIDIA GPU';
  if (candidates.some(({ used, cuda }) => used && cuda)) return 'check `nvidia-smi` and CUDA_VISIBLE_DEVICES';
  return 'activate a Python environment with torch 2.11 for CUDA, or export LIBTORCH=<its site-packages/torch>';
}

/** Lists the folders of LD_LIBRARY_PATH that contain a libtorch: the system's linker prefers them to ours. */
function findShadowing(environment: NodeJS.ProcessEnv): string[] {
  const folders = (environment.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean);
  return folders.filter((folder) => existsSync(join(folder, 'libtorch_cpu.so')));
}

function findProblems(
  wanted: string,
  attempt: Attempt,
  cuda: DeviceReport,
  candidates: readonly LibtorchCandidate[],
): Problem[] {
  const problems: Problem[] = [];
  if (attempt.error) problems.push({ what: attempt.error, fix: findAddonFix(candidates), needed: true });
  if (!cuda.usable) {
    const what = attempt.deviceError ?? `CUDA: ${cuda.reason}`;
    problems.push({ what, fix: findCudaFix(candidates, hasNvidiaDriver()), needed: wanted.startsWith('cuda') });
  }
  for (const folder of findShadowing(process.env)) {
    const what = `LD_LIBRARY_PATH contains another libtorch: ${folder}`;
    problems.push({ what, fix: 'remove it from LD_LIBRARY_PATH, or export LIBTORCH instead', needed: false });
  }
  return problems;
}

function findAddonFix(candidates: readonly LibtorchCandidate[]): string {
  const refused = candidates.some((candidate) => candidate.refused);
  return refused ? '`unset LIBTORCH`, or point it at libtorch 2.11' : '`npm run build` in the checkout';
}

/** Examines the machine. Loads the addon for `device`, so that the findings equal those of a run. */
export function examine(device = 'auto'): Examination {
  const attempt = tryAddon(device);
  const candidates = libtorchCandidates(device);
  const count = attempt.info?.cudaDevices ?? 0;
  const usable = attempt.info?.cudaAvailable ?? false;
  const cuda: DeviceReport = { device: 'cuda', usable, count, reason: explainCuda(hasNvidiaDriver(), attempt) };
  const cpuUsable = attempt.info !== undefined;
  const preferred = usable ? 'CUDA takes precedence; --device cpu selects it' : 'used';
  const cpuReason = cpuUsable ? preferred : 'the addon does not load';
  const problems = findProblems(device, attempt, cuda, candidates);
  return {
    ok: !problems.some(({ needed }) => needed),
    versions: {
      exitRl: packageVersion(),
      node: process.versions.node,
      libtorch: candidates.find(({ used }) => used)?.version,
      rustc: rustVersion(),
    },
    addon: { file: addonFile(), loaded: cpuUsable, error: attempt.error },
    libtorch: candidates,
    devices: [cuda, { device: 'cpu', usable: cpuUsable, count: 1, reason: cpuReason }],
    cpu: {
      model: cpus()[0]?.model ?? 'unknown',
      flags: cpuFlags(),
      instructions: attempt.info?.instructions,
      threads: attempt.info?.threads ?? availableParallelism(),
    },
    problems,
  };
}
