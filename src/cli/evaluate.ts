/** `exit-rl evaluate`: K-step self-improvement of a model folder, or of a run's latest checkpoint. */
import type { CAC } from 'cac';
import type { RunConfig } from '../config/parse.js';
import { UsageError } from '../errors.js';
import type { Evaluation, UnreadableRule } from '../evaluation/evaluation.js';
import type { EvaluateRunOptions, EvaluationSettings } from '../run/evaluate-run.js';
import type { ShownProgress } from './evaluate-progress.js';
import { type Flags, givenOptions, nonNegative, requiredText, textFlag, wholeNumber } from './flags.js';
import { printJson, printLine, say } from './output.js';
import { adapterHelp, modelHelp, modelWords, policyChoice } from './policy-flags.js';
import { stopOnSignals } from './signals.js';

/** The options of the command, from its flags. */
async function readOptions(flags: Flags): Promise<EvaluateRunOptions> {
  const model = requiredText(process.argv, 'model', modelWords);
  const source = textFlag(process.argv, 'config');
  const config = source === undefined ? undefined : await readConfig(source, model);
  const texts = {
    task: textFlag(process.argv, 'task'),
    split: textFlag(process.argv, 'split'),
    unreadable: unreadableRule(),
  };
  const { trainable: _always, ...choice } = policyChoice(flags);
  return {
    ...choice,
    ...givenOptions({ ...texts, out: textFlag(process.argv, 'out'), config }),
    ...givenNumbers(flags),
    model,
  };
}

async function readConfig(source: string, model: string): Promise<RunConfig> {
  const { loadConfig } = await import('../config/load-config.js');
  return loadConfig({ source, flags: { model } });
}

/** Numbers that the flags give; the others are the config's. */
function givenNumbers(flags: Flags): EvaluationSettings {
  const number = (name: string, least = 0): number | undefined =>
    flags[name] === undefined ? undefined : wholeNumber(flags, name, 0, least);
  const temperature = flags.temperature === undefined ? undefined : nonNegative(flags, 'temperature', 1);
  const sampling = givenOptions({ temperature, maxNewTokens: number('maxNewTokens', 1) });
  const counts = { draws: number('draws', 1), limit: number('limit'), seed: number('seed') };
  return givenOptions({ ...counts, ...givenIterations(), sampling });
}

/** K and the k to report: `--iterations 16`, `--iterations 0,1,4,16`, or `--at` beside it. */
function givenIterations(): Pick<EvaluationSettings, 'iterations' | 'at'> {
  const listed = wholeNumbers('iterations');
  const at = wholeNumbers('at');
  if (listed !== undefined && listed.length > 1) {
    if (at === undefined) return { at: listed };
    throw new UsageError('--iterations lists the k to report, and so does --at; give one of them');
  }
  const iterations = listed?.[0];
  const beyond = at?.find((k) => iterations !== undefined && k > iterations);
  if (beyond === undefined) return givenOptions({ iterations, at });
  throw new UsageError(`--at ${beyond} is beyond --iterations ${iterations}, the last k`);
}

/** The whole numbers of a flag, separated by commas. @throws UsageError that names the flag. */
function wholeNumbers(name: string): number[] | undefined {
  const given = textFlag(process.argv, name);
  if (given === undefined) return undefined;
  const words = given.split(',').map((word) => word.trim());
  if (words.every((word) => /^\d{1,9}$/.test(word))) return words.map(Number);
  throw new UsageError(`--${name} takes whole numbers of at least 0, as in 0,1,4,16; not ${given}`);
}

function unreadableRule(): UnreadableRule | undefined {
  const given = textFlag(process.argv, 'unreadable');
  if (given === undefined || given === 'count' || given === 'keep') return given;
  throw new UsageError(`--unreadable takes count or keep, not ${given}`);
}

/** A signal leaves at once, whatever is waited for: a verifier, or a model that loads. */
async function untilStopped<Value>(work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const { untilAborted } = await import('../abort.js');
  const stop = stopOnSignals('stopping without writing anything');
  try {
    return await untilAborted(stop.signal, work(stop.signal));
  } catch (error) {
    const code = stop.exitCode();
    if (code === undefined) throw error;
    process.exit(code);
  } finally {
    stop.dispose();
  }
}

async function printTable(evaluation: Evaluation): Promise<void> {
  const [{ iterationTable }, { terminalColours }] = await Promise.all([
    import('../report/iteration-table.js'),
    import('../report/colours.js'),
  ]);
  await printLine(iterationTable(evaluation, { colours: terminalColours(process.stdout.isTTY) }).trimEnd());
}

/** Shows progress on stderr while `work` runs. */
async function shown<Value>(work: (onProgress: ShownProgress['show']) => Promise<Value>): Promise<Value> {
  const { showEvaluation } = await import('./evaluate-progress.js');
  const progress = showEvaluation({ stream: process.stderr, isTTY: process.stderr.isTTY === true });
  try {
    return await work(progress.show);
  } finally {
    progress.finish();
  }
}

async function runEvaluate(flags: Flags): Promise<void> {
  const [{ evaluateRun }, options] = await Promise.all([import('../run/evaluate-run.js'), readOptions(flags)]);
  const { evaluation, file } = await shown((onProgress) =>
    untilStopped((signal) => evaluateRun({ ...options, signal, onProgress })),
  );
  if (flags.json) return printJson(evaluation);
  await printTable(evaluation);
  if (file !== undefined) say(`written to ${file}`);
}

export function registerEvaluate(cli: CAC): void {
  cli
    .command('evaluate', 'Attempt once, then improve K times; report quality and solved share at every k')
    .option('--model <model>', modelHelp)
    .option('--adapter <folder>', adapterHelp)
    .option('--task <name>', 'Task family, or the path of a module that exports one')
    .option('--config <file>', "A run's config or recipe, for its task, data, verifier and sampling")
    .option('--iterations <numbers>', 'K, improve steps after the attempt (default: 16), or the k to report: 0,1,4,16')
    .option('--at <numbers>', 'The k to report, as in 0,1,4,16; all steps are generated (default: every k)')
    .option('--draws <number>', 'Chains per task (default: 4)')
    .option(
      '--unreadable <rule>',
      'An answer that cannot be read: count it as quality 0 (default), or keep the one before',
    )
    .option('--split <name>', 'Tasks to evaluate on (default: test)')
    .option('--limit <number>', 'Only the first tasks of the split')
    .option('--temperature <number>', 'Sampling temperature')
    .option('--max-new-tokens <number>', 'Longest completion')
    .option('--seed <number>', 'Seed of every random number')
    .option('--out <file>', 'Write the evaluation as JSON (default for a run folder: evaluation.json in it)')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Print the evaluation as JSON')
    .action(runEvaluate);
}
