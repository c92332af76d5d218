/** `exit-rl evaluate`: K-step self-improvement of a model folder, or of a run's latest checkpoint. */
import { performance } from 'node:perf_hooks';
import type { CAC } from 'cac';
import type { RunConfig } from '../config/parse.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import type { EvaluationProgress } from '../evaluation/iterate.js';
import type { EvaluateRunOptions, EvaluationSettings } from '../run/evaluate-run.js';
import { type Flags, givenOptions, nonNegative, requiredText, textFlag, wholeNumber } from './flags.js';
import { printJson, printLine, say } from './output.js';
import { adapterHelp, modelHelp, modelWords, policyChoice } from './policy-flags.js';
import { stopOnSignals } from './signals.js';

/** The options of the command, from its flags. */
async function readOptions(flags: Flags): Promise<EvaluateRunOptions> {
  const model = requiredText(process.argv, 'model', modelWords);
  const source = textFlag(process.argv, 'config');
  const config = source === undefined ? undefined : await readConfig(source, model);
  const texts = { task: textFlag(process.argv, 'task'), split: textFlag(process.argv, 'split') };
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
  const counts = { iterations: number('iterations'), draws: number('draws', 1), limit: number('limit') };
  return givenOptions({ ...counts, seed: number('seed'), sampling });
}

/** One line on a terminal, rewritten as tasks are done; elsewhere nothing. */
function showTasks(): (progress: EvaluationProgress) => void {
  const began = performance.now();
  return ({ tasksDone, tasks }) => {
    if (process.stderr.isTTY !== true) return;
    const left = ((performance.now() - began) / 1000) * (tasks / tasksDone - 1);
    const text = tasksDone < tasks ? `${tasksDone} of ${tasks} tasks, ${left.toFixed(0)} s left` : '';
    process.stderr.write(`\r\u001b[K${text}`);
  };
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
    import('../report/table.js'),
    import('../report/colours.js'),
  ]);
  await printLine(iterationTable(evaluation, { colours: terminalColours(process.stdout.isTTY) }).trimEnd());
}

async function runEvaluate(flags: Flags): Promise<void> {
  const [{ evaluateRun }, options] = await Promise.all([import('../run/evaluate-run.js'), readOptions(flags)]);
  const onProgress = showTasks();
  const { evaluation, file } = await untilStopped((signal) => evaluateRun({ ...options, signal, onProgress }));
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
    .option('--iterations <number>', 'K, improve steps after the attempt (default: 16)')
    .option('--draws <number>', 'Chains per task (default: 4)')
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
