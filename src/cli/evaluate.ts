/** `exit-rl evaluate`: measures K-step self-improvement of a model folder, or of a run's latest checkpoint. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { CAC } from 'cac';
import { parseConfig, type RunConfig } from '../config.js';
import { RunFolderError, UsageError } from '../errors.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import type { EvaluationProgress } from '../evaluation/iterate.js';
import { type Flags, nonNegative, requiredText, textFlag, wholeNumber } from './flags.js';
import { printJson, printLine, say } from './output.js';
import { exists } from './paths.js';
import { givenChat, loadPolicy, policyChoice } from './policy.js';
import { stopOnSignals } from './signals.js';

/** The model to evaluate, and the settings that flags override. */
interface Subject {
  readonly folder: string;
  readonly defaults: RunConfig;
  /** The path of evaluation.json; absent only prints. */
  readonly out?: string;
}

/** Resolves a run folder to its latest checkpoint and its settings. */
async function runSubject(run: string): Promise<Subject> {
  const [{ loadRunConfig }, { listCheckpoints }, { verifyCheckpoint }] = await Promise.all([
    import('../config/load.js'),
    import('../trainer/checkpoint.js'),
    import('../trainer/manifest.js'),
  ]);
  const [latest] = await listCheckpoints(run);
  if (latest === undefined) throw new RunFolderError(`${run}: contains no checkpoint; train it first`, { run });
  await verifyCheckpoint(latest.folder);
  return { folder: latest.folder, defaults: await loadRunConfig(run, {}), out: join(run, 'evaluation.json') };
}

/** Takes data, verifier and sampling from --config, or the sampling from the recipe that has the task's name. */
async function modelSubject(folder: string, task: string | undefined): Promise<Subject> {
  const source = textFlag(process.argv, 'config');
  if (source !== undefined) {
    const { loadConfig } = await import('../config/load.js');
    return { folder, defaults: await loadConfig({ source, flags: { model: folder } }) };
  }
  if (task === undefined) throw new UsageError('--task or --config is missing: a name, a module, or a config file');
  const { recipes } = await import('../../recipes/index.js');
  const recipe = Object.hasOwn(recipes, task) ? recipes[task]?.() : undefined;
  return { folder, defaults: parseConfig({ ...recipe, task, model: folder }) };
}

async function findSubject(): Promise<Subject> {
  const model = requiredText(process.argv, 'model', 'a model folder, or a run folder');
  const task = textFlag(process.argv, 'task');
  const isRun = await exists(join(model, 'metrics.jsonl'));
  const subject = isRun ? await runSubject(model) : await modelSubject(model, task);
  const defaults = task === undefined ? subject.defaults : { ...subject.defaults, task };
  const out = textFlag(process.argv, 'out') ?? subject.out;
  return { ...subject, defaults, ...(out !== undefined && { out }) };
}

interface EvaluationRequest {
  readonly iterations: number;
  readonly draws: number;
  readonly split: string;
  readonly seed: number;
  readonly limit: number;
  readonly sampling: RunConfig['sampling'];
}

function readRequest(flags: Flags, { evaluation, sampling, seed }: RunConfig): EvaluationRequest {
  return {
    iterations: wholeNumber(flags, 'iterations', evaluation.iterations),
    draws: wholeNumber(flags, 'draws', evaluation.draws, 1),
    split: textFlag(process.argv, 'split') ?? evaluation.split,
    seed: wholeNumber(flags, 'seed', seed),
    limit: wholeNumber(flags, 'limit', 0),
    sampling: {
      ...sampling,
      temperature: nonNegative(flags, 'temperature', sampling.temperature),
      maxNewTokens: wholeNumber(flags, 'maxNewTokens', sampling.maxNewTokens, 1),
    },
  };
}

/** Creates a progress line that is rewritten on a terminal; prints nothing elsewhere. */
function showTasks(): (progress: EvaluationProgress) => void {
  const began = performance.now();
  return ({ tasksDone, tasks }) => {
    if (process.stderr.isTTY !== true) return;
    const left = ((performance.now() - began) / 1000) * (tasks / tasksDone - 1);
    const text = tasksDone < tasks ? `${tasksDone} of ${tasks} tasks, ${left.toFixed(0)} s left` : '';
    process.stderr.write(`\r\u001b[K${text}`);
  };
}

async function evaluate(
  subject: Subject,
  request: EvaluationRequest,
  flags: Flags,
  signal: AbortSignal,
): Promise<Evaluation> {
  const [{ openParts }, { evaluateIterations }, { measuredFamily }] = await Promise.all([
    import('./run-parts.js'),
    import('../evaluation/iterate.js'),
    import('../evaluation/measured.js'),
  ]);
  const parts = await openParts({ ...subject.defaults, seed: request.seed });
  const family = measuredFamily(parts.family, parts.rewards);
  const all = family.tasks(request.split);
  if (all.length === 0) throw new UsageError(`there are no tasks in the split \`${request.split}\``);
  const tasks = request.limit > 0 ? all.slice(0, request.limit) : all;
  const policy = await loadPolicy(subject.folder, { ...policyChoice(flags), chat: givenChat(subject.defaults.chat) });
  try {
    return await evaluateIterations({ ...request, policy, family, tasks, signal, onProgress: showTasks() });
  } finally {
    await policy.close();
    await parts.close();
  }
}

/** Ends the process at once on a signal, even while a verifier runs or a model loads. */
async function untilStopped(work: (signal: AbortSignal) => Promise<Evaluation>): Promise<Evaluation> {
  const { untilAborted } = await import('../trainer/until-aborted.js');
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
  const subject = await findSubject();
  const request = readRequest(flags, subject.defaults);
  const evaluation = await untilStopped((signal) => evaluate(subject, request, flags, signal));
  const { task } = subject.defaults;
  const report = { ...evaluation, model: resolve(subject.folder), task, split: request.split, seed: request.seed };
  if (subject.out !== undefined) await writeFile(subject.out, `${JSON.stringify(report, null, 2)}\n`);
  if (flags.json) return printJson(report);
  await printTable(evaluation);
  if (subject.out !== undefined) say(`written to ${subject.out}`);
}

export function registerEvaluate(cli: CAC): void {
  cli
    .command('evaluate', 'Attempt once, then improve K times; report quality and solved share at every k')
    .option('--model <folder>', 'Model folder, or a run folder for its latest checkpoint and settings')
    .option('--adapter <folder>', 'PEFT folder of an adapter for that model')
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
