/** `exit-rl doctor`: what was found, why a device is not used, and what to do. */
import type { CAC } from 'cac';
import type { Examination, Problem } from './doctor/examine.js';
import { printJson, printLine } from './output.js';

export interface DoctorOptions {
  readonly json?: boolean;
  /** What `--device` of a run would say; default `auto`. */
  readonly device?: string;
  /** A model folder: what it takes of memory, instead of the examination. */
  readonly model?: string;
}

async function runMemory(model: string, options: DoctorOptions): Promise<number> {
  const { describeMemory, examineMemory } = await import('./doctor/memory.js');
  const report = await examineMemory(model, { ...options });
  if (options.json) await printJson(report);
  else for (const line of describeMemory(report)) await printLine(line);
  return 0;
}

/** Prints the examination. @returns the exit code: 1 when something that every run needs is broken. */
async function runDoctor(options: DoctorOptions = {}): Promise<number> {
  if (options.model !== undefined) return runMemory(String(options.model), options);
  const { examine } = await import('./doctor/examine.js');
  const found = examine(options.device);
  if (options.json) await printJson(found);
  else for (const line of describe(found)) await printLine(line);
  return found.ok ? 0 : 1;
}

const mark = (good: boolean): string => (good ? '✓' : '✗');
const row = (name: string, text: string): string => `${name.padEnd(11)}${text}`;

/** The examination as lines for a person. */
export function describe(found: Examination): string[] {
  const { versions, addon, cpu } = found;
  return [
    row(
      'exit-rl',
      `${versions.exitRl} · Node ${versions.node} · rustc ${versions.rustc ?? 'not found (needed only to build)'}`,
    ),
    row('addon', `${mark(addon.loaded)} ${addon.file ?? 'not built'}${addon.loaded ? '' : ' (does not load)'}`),
    ...found.libtorch.map(({ used, folder, source, version, cuda, reason }, at) => {
      const build = `${version ?? 'unknown version'}${cuda ? ', CUDA' : ''}`;
      return row(at === 0 ? 'libtorch' : '', `${used ? '✓' : '·'} ${source}: ${folder} (${build}): ${reason}`);
    }),
    ...found.devices.map(({ device, usable, count, reason }, at) => {
      const many = device === 'cuda' && usable ? ` × ${count}` : '';
      return row(at === 0 ? 'devices' : '', `${usable ? '✓' : '·'} ${device}${many}: ${reason}`);
    }),
    row('cpu', `${cpu.model} · ${cpu.threads} threads · ${cpu.flags.join(' ') || 'no vector flags known'}`),
    row('', `kernels use ${cpu.instructions ?? 'nothing: the addon does not load'}`),
    ...describeProblems(found.problems),
  ];
}

function describeProblems(problems: readonly Problem[]): string[] {
  if (problems.length === 0) return ['', 'Everything works.'];
  const needed = problems.filter((problem) => problem.needed);
  const verdict = needed.length === 0 ? 'Everything needed works. Worth knowing:' : 'Broken:';
  const order = [...needed, ...problems.filter((problem) => !problem.needed)];
  return ['', verdict, ...order.flatMap(({ what, fix }) => [`  ${what}`, `    → ${fix}`])];
}

export function registerDoctor(cli: CAC): void {
  cli
    .command(
      'doctor',
      'What was found: libtorch, devices, threads, and what to do about each problem; --model: what a model takes of memory',
    )
    .option('--device <device>', 'Look as a run on this device would: auto, cpu, cuda or cuda:N')
    .option('--model <folder>', 'Say what this model takes of memory instead, before anything is allocated')
    .option('--dtype <dtype>', 'With --model: auto, float32 or bfloat16')
    .option('--threads <number>', 'With --model: CPU threads (default: all)')
    .option('--batch <number>', 'With --model: prompts of a batch (default: 16)')
    .option('--group-size <number>', 'With --model: completions of a prompt (default: 8)')
    .option('--prompt-tokens <number>', 'With --model: tokens of a prompt (default: 512)')
    .option('--max-new-tokens <number>', 'With --model: tokens of a completion (default: 512)')
    .option('--microbatch-tokens <number>', 'With --model: padded tokens of one pass (default: 16384)')
    .option('--gradient-checkpointing', 'With --model: activations are computed again')
    .option('--no-asynchronous-saving', 'With --model: checkpoint.asynchronous is false, so that no copy is kept')
    .option('--lora-rank <number>', 'With --model: an adapter of this rank is trained')
    .option('--lora-target-modules <names>', 'With --model: of these modules, by commas (default: all-linear)')
    .option('--reference', 'With --model: a reference policy is kept')
    .option('--state-dtype <dtype>', "With --model: of AdamW's moments, float32 or bfloat16 (default: float32)")
    .option('--json', 'One JSON object')
    .action(async (options: DoctorOptions) => {
      process.exitCode = await runDoctor(options);
    });
}
