/** `exit-rl demo`: trains the embedded default with GRPO and ExIt (or every ablation), prints the table, writes the report. */
import { join } from 'node:path';
import type { CAC } from 'cac';
import { CancelledError } from '../errors.js';
import { knownColumns } from '../report/cursor.js';
import type { Comparison } from '../report/records.js';
import { holdsFailedStarts } from '../run/failed-start.js';
import { claimFolder, exists } from '../run/run-folder.js';
import type { DemoOptions, DemoPlan } from './demo/plan.js';
import { type Flags, textFlag, wholeNumber } from './flags.js';
import { onClosedOutput, printJson, printLine, say } from './output.js';
import { type StopSignals, stopOnSignals } from './signals.js';

async function readOptions(flags: Flags): Promise<DemoOptions> {
  return {
    quick: flags.quick === true,
    all: flags.all === true,
    seeds: wholeNumber(flags, 'seeds', 1, 1),
    seed: wholeNumber(flags, 'seed', 1),
    out: textFlag(process.argv, 'out') ?? (await claimFolder('runs/demo', holdsFailedStarts)),
  };
}

interface Demo {
  readonly plan: DemoPlan;
  readonly out: string;
  readonly json: boolean;
  readonly stop: StopSignals;
}

async function printComparison(comparison: Comparison, out: string, report: string): Promise<void> {
  const { rows, notes } = comparison;
  const [{ comparisonTable }, { terminalColours }] = await Promise.all([
    import('../report/table.js'),
    import('../report/colours.js'),
  ]);
  const colours = terminalColours(process.stdout.isTTY);
  await printLine(`\n${comparisonTable(rows, { colours, width: knownColumns(process.stdout) ?? 100 })}`);
  for (const note of notes) await printLine(`* ${note}`);
  await printLine(`\nrun folders: ${rows.flatMap(({ run }) => (run === null ? [] : [join(out, run)])).join('  ')}`);
  await printLine(`report:      ${report}`);
}

/** Prints the state of a stopped demo, and the commands that continue its runs. */
async function printUnfinished({ plan, out }: Demo): Promise<void> {
  const states = await Promise.all(
    plan.runs.map(async ({ folder }) => {
      const path = join(out, folder);
      const evaluated = await exists(join(path, 'evaluation.json'));
      const begun = await exists(join(path, 'metrics.jsonl'));
      return { path, evaluated, begun };
    }),
  );
  const done = states.filter(({ evaluated }) => evaluated);
  const open = states.filter(({ evaluated, begun }) => begun && !evaluated);
  say(`stopped: ${done.length} of ${plan.runs.length} runs are finished in ${out}`);
  for (const { path } of open) say(`continue with: exit-rl train --resume ${path} && exit-rl evaluate --model ${path}`);
}

async function demonstrate(demo: Demo): Promise<void> {
  const { runDemo } = await import('./demo/run-demo.js');
  const { plan, out, json, stop } = demo;
  const screen = json ? {} : { screen: process.stdout };
  const program = process.argv[1] as string;
  const comparison = await runDemo({ plan, out, program, signal: stop.signal, ...screen });
  const { writeReport } = await import('../report/page.js');
  const report = await writeReport(out);
  await (json ? printJson({ ...comparison, out, report }) : printComparison(comparison, out, report));
}

async function startDemo(flags: Flags): Promise<void> {
  const [{ planDemo }, { prepareFolder }, { findNative }] = await Promise.all([
    import('./demo/plan.js'),
    import('./demo/write-comparison.js'),
    import('../native.js'),
  ]);
  // Before a folder is made: without the engine no child process gets anywhere.
  findNative('cpu');
  const options = await readOptions(flags);
  const plan = planDemo(options);
  await prepareFolder(options.out);
  const stop = stopOnSignals('stopping: the runs save their state; press again to leave at once');
  onClosedOutput(stop.stop);
  const demo: Demo = { plan, out: options.out, json: flags.json === true, stop };
  try {
    await demonstrate(demo);
  } catch (error) {
    if (!CancelledError.isInstance(error)) throw error;
    const code = stop.exitCode();
    if (code !== undefined) process.exitCode = code;
    await printUnfinished(demo);
  } finally {
    stop.dispose();
  }
}

export function registerDemo(cli: CAC): void {
  cli
    .command('demo', 'Train the embedded default with GRPO and with ExIt, and compare them')
    .option('--quick', 'Few updates: a check that everything works, too short to compare methods')
    .option('--all', 'Every ablation: grpo, curriculum, improve, diverge, exit')
    .option('--seeds <number>', 'Runs of each method, on consecutive seeds (default: 1)')
    .option('--seed <number>', 'The first seed (default: 1)')
    .option('--out <folder>', 'Comparison folder (default: runs/demo)')
    .option('--json', 'Print the comparison as JSON')
    .example('  $ exit-rl demo')
    .example('  $ exit-rl demo --all --seeds 5 --out runs/five-seeds')
    .action(startDemo);
}
