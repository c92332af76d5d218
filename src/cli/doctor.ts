/** `exit-rl doctor`: reports libtorch, devices and problems, with the fix for each. */
import type { CAC } from 'cac';
import type { Examination, Problem } from './doctor/examine.js';
import { printJson, printLine } from './output.js';
import { modelWords } from './policy-flags.js';

export interface DoctorOptions {
  readonly json?: boolean;
  /** The `--device` of the run to examine for; `auto` by default. */
  readonly device?: string;
  /** A model folder: reports its memory instead of examining the machine. */
  readonly model?: string;
}

async function runMemory(model: string, options: DoctorOptions): Promise<number> {
  const { describeMemory, examineMemory } = await import('./doctor/model-memory.js');
  const report = await examineMemory(model, { ...options });
  if (options.json) await printJson(report);
  else for (const line of describeMemory(report)) await printLine(line);
  return 0;
}

/** Prints the examination. @returns the exit code: 1 when a part that every run needs is broken. */
async function runDoctor(options: DoctorOptions = {}): Promise<number> {
  if (options.model !== undefined) return runMemory(String(options.model), options);
  const { examine } = await import('./doctor/examine.js');
  const examination = examine(options.device);
  if (options.json) await printJson(examination);
  else for (const line of describe(examination)) await printLine(line);
  return examination.ok ? 0 : 1;
}

const mark = (good: boolean): string => (good ? '✓' : '✗');
const row = (name: string, text: string): string => `${name.padEnd(11)}${text}`;

/** Formats the examination as lines for a person. */
export function describe(examination: Examination): string[] {
  const { versions, addon, cpu } = examination;
  return [
    row(
      'exit-rl',
      `${versions.exitRl} · Node ${versions.node} · rustc ${versions.rustc ?? 'not found (needed only to build)'}`,
    ),
    row('addon', `${mark(addon.loaded)} ${addon.file ?? 'not built'}${addon.loaded ? '' : ' (does not load)'}`),
    ...examination.libtorch.map(({ used, folder, source, version, cuda, reason }, at) => {
      const build = `${version ?? 'unknown version'}${cuda ? ', CUDA' : ''}`;
      return row(at === 0 ? 'libtorch' : '', `${used ? '✓' : '·'} ${source}: ${folder} (${build}): ${reason}`);
    }),
    ...examination.devices.map(({ device, usable, count, reason }, at) => {
      const many = device === 'cuda' && usable ? ` × ${count}` : '';
      return row(at === 0 ? 'devices' : '', `${usable ? '✓' : '·'} ${device}${many}: ${reason}`);
    }),
    row('cpu', `${cpu.model} · ${cpu.threads} threads · ${cpu.flags.join(' ') || 'no vector flags known'}`),
    row('', `kernels use ${cpu.instructions ?? 'nothing: the addon does not load'}`),
    ...describeProblems(examination.problems),
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
      'Report libtorch, devices, threads and problems with their fixes; with --model the memory that a model needs',
    )
    .option('--device <device>', 'Examine for a run on this device: auto, cpu, cuda or cuda:N (default: auto)')
    .option('--model <model>', `Report the memory that this model needs, without loading it: ${modelWords}`)
    .option('--dtype <dtype>', 'With --model: auto, float32 or bfloat16')
    .option('--threads <number>', 'With --model: CPU threads (default: all)')
    .option('--batch <number>', 'With --model: prompts of a batch (default: 16)')
    .option('--group-size <number>', 'With --model: completions of a prompt (default: 8)')
    .option('--prompt-tokens <number>', 'With --model: tokens of a prompt (default: 512)')
    .option('--max-new-tokens <number>', 'With --model: tokens of a completion (default: 512)')
    .option('--microbatch-tokens <number>', 'With --model: padded tokens of one pass (default: 16384)')
    .option('--gradient-checkpointing', 'With --model: recompute activations in the backward pass')
    .option('--no-asynchronous-saving', 'With --model: checkpoint.asynchronous is false, which keeps no copy')
    .option('--lora-rank <number>', 'With --model: train a LoRA adapter of this rank')
    .option('--lora-target-modules <names>', 'With --model: adapt these modules, comma-separated (default: all-linear)')
    .option('--reference', 'With --model: keep a reference policy')
    .option('--state-dtype <dtype>', "With --model: dtype of AdamW's moments, float32 or bfloat16 (default: float32)")
    .option('--json', 'Print one JSON object')
    .action(async (options: DoctorOptions) => {
      process.exitCode = await runDoctor(options);
    });
}
