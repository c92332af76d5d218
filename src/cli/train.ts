/** `exit-rl train`: one run, from a recipe or a config file, or resumed from its folder. */
import { join } from 'node:path';
import type { CAC, Command } from 'cac';
import type { FlagLine } from '../config/flag-line.js';
import type { RunConfig } from '../config/parse.js';
import { UsageError } from '../errors.js';
import type { MetricsRow } from '../run/metrics.js';
import type { BegunRun, RunObserver, TrainRunResult } from '../run/train-run.js';
import { completionLog } from './completion-log.js';
import { type Flags, givenOptions, listFlag, textFlag } from './flags.js';
import { onClosedOutput, printJson, printLine, say } from './output.js';
import { stopOnSignals } from './signals.js';

async function resolveConfig(
  source: string | undefined,
  resume: string | undefined,
  flags: FlagLine,
): Promise<RunConfig> {
  const { loadSources } = await import('../config/load-config.js');
  const { readRunConfig } = await import('../run/run-config.js');
  const named = ['model', 'model_name_or_path', 'recipe'].some((key) => flags.layer[key] !== undefined);
  if (source === undefined && resume === undefined && !named)
    throw new UsageError('train needs a recipe, a config file, --model or --resume');
  if (source !== undefined && resume !== undefined)
    throw new UsageError('--resume takes the config from the run folder');
  const changes = { environment: process.env, flags };
  const config = resume === undefined ? await loadSources(source, changes) : await readRunConfig(resume, changes);
  const { resolvePaths } = await import('../run/assemble.js');
  return resolvePaths(config);
}

/** One JSON object per update for a program, the live table for a person. */
async function observeRun({ config, family, update }: BegunRun, json: boolean): Promise<RunObserver> {
  const onGroups = completionLog(config, family);
  const show = (row: MetricsRow): void => {
    if (row.update % config.logEvery === 0) printJson(row);
  };
  const progress = json ? undefined : (await import('./train-progress.js')).createTrainProgress(config, update);
  return {
    onUpdate: progress?.show ?? show,
    finish: () => progress?.finish(),
    ...(onGroups && { onGroups }),
  };
}

async function printResult({ path, ...result }: TrainRunResult, json: boolean): Promise<void> {
  if (!result.finished) {
    const where = result.unevaluated ? `${result.updates}, before its evaluation finished` : result.updates;
    say(`stopped after update ${where}; continue with: exit-rl train --resume ${path}`);
  } else if (!json) {
    await printLine(`${result.updates} updates; run folder: ${path}`);
    const { best } = result;
    if (best)
      await printLine(
        `best evaluation: ${best.value} after update ${best.update}: ${join(path, `checkpoint-${best.update}`)}`,
      );
  }
}

/** Checks everything but the model: reads the data and loads the reward functions. */
async function dryRun(config: RunConfig): Promise<void> {
  const [{ openParts }, { withUpdates }] = await Promise.all([
    import('../run/assemble.js'),
    import('../method/base-tasks.js'),
  ]);
  const { family, close } = await openParts(config);
  await close();
  if (config.data) say(`${family.tasks('train').length} rows to train on, ${family.tasks('test').length} held out`);
  return printLine(JSON.stringify(withUpdates(config, family), null, 2));
}

async function runTrain(command: Command, source: string | undefined, flags: Flags): Promise<void> {
  const resume = textFlag(process.argv, 'resume');
  const { readTrainLine } = await import('./train-line.js');
  const config = await resolveConfig(source, resume, readTrainLine(command, process.argv));
  if (flags.dryRun) return dryRun(config);
  const out = textFlag(process.argv, 'out');
  const stop = stopOnSignals('stopping at a safe point and saving; press again to leave at once');
  onClosedOutput(stop.stop);
  const json = flags.json === true;
  try {
    const { trainConfig } = await import('../run/train-run.js');
    const result = await trainConfig(config, {
      allowedChanges: listFlag(flags, 'allowChange'),
      signal: stop.signal,
      warn: (message) => say(`warning: ${message}`),
      onBegin: (run) => observeRun(run, json),
      evaluate: false,
      report: false,
      ...givenOptions({ out, resume }),
    });
    await printResult(result, json);
    // The warning said so: a script must not take it for a success.
    if (result.finished && result.trained === 0) process.exitCode = 1;
    const code = stop.exitCode();
    // Everything is closed; an abandoned verifier may still run for minutes.
    if (code !== undefined) process.exit(code);
  } finally {
    stop.dispose();
  }
}

export function registerTrain(cli: CAC): void {
  const command = cli
    .command(
      'train [recipe-or-config]',
      'Train a model with one of the methods grpo, curriculum, improve, diverge, exit',
    )
    .option('--out <folder>', 'Run folder (default: runs/NAME-METHOD-SEED)')
    .option('--resume <folder>', 'Resume a run from its latest checkpoint, or from RUN/checkpoint-N')
    .option(
      '--allow-change <field>',
      'Resume despite a change of this config field, of `model`, `tokenizer`, `tasks`, or of the code of `rewards`, `verifier` or `task` (repeatable)',
    )
    .option('--dry-run', 'Check config, data and reward functions, print the resolved config and exit')
    .option('--json', 'Print one JSON object per update')
    .option('--<key> <value>', 'Any key of the config, for example --method grpo --optimizer.learningRate 1e-4')
    .example('  $ exit-rl train code-breaker --method exit --seed 3 --out runs/exit-3')
    .example('  $ exit-rl train run.yaml --updates 50 --dry-run')
    .example('  $ exit-rl train examples/data-file/config.yaml    # a data file, reward functions, any model folder')
    .example('  $ exit-rl train --model ./Qwen2.5-0.5B-Instruct --data.train gsm8k/ --data.chat --rewards rewards.ts')
    .allowUnknownOptions();
  command.action((source: string | undefined, flags: Flags) => runTrain(command, source, flags));
}
