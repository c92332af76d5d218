/**
 * The café: compares the base, GRPO and ExIt (with --all every method) at equal updates on several seeds, each trained and
 * evaluated by the commands that a user types. It skips the runs that are finished in the folder.
 *
 *     npx tsx bench/cafe.ts [--all] [--seeds 3] [--jobs 2] [--updates 300] [--out runs/cafe]
 *
 * Prints README's tables and writes results.json into the folder.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { selectMethod, solvedAt } from '../src/evaluation/compare.js';
import type { Evaluation } from '../src/evaluation/evaluation.js';
import { type MethodName, methodNames } from '../src/method/methods.js';
import { runJobs } from './lib/jobs.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { markdownTable } from './lib/markdown.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const config = 'examples/cafe/config.yaml';

/** One evaluated model; the base has no seed and no reward. */
interface Row {
  readonly method: MethodName | 'base';
  readonly seed: number | null;
  readonly updates: number;
  /** Mean reward of the first and of the last 20 updates. */
  readonly reward?: { readonly first: number; readonly last: number };
  readonly evaluation: Evaluation;
}

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '2' },
    updates: { type: 'string', default: '300' },
    out: { type: 'string', default: 'runs/cafe' },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
const methods: readonly MethodName[] = values.all ? methodNames : ['grpo', 'exit'];

/** Runs `exit-rl` and returns the lines it printed. */
async function exit(...command: string[]): Promise<string> {
  const child = spawn(process.execPath, ['dist/cli/main.js', ...command, '--threads', '1', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  const code = await new Promise<number | null>((settle) => child.on('close', settle));
  if (code !== 0) throw new Error(`exit-rl ${command.join(' ')} ended with ${code}`);
  return text;
}

async function evaluateBase(): Promise<Row> {
  const file = join(values.out, 'base.json');
  if (!existsSync(file)) {
    await exit('evaluate', '--model', 'models/cafe', '--config', config, '--seed', '1', '--out', file);
  }
  return { method: 'base', seed: null, updates: 0, evaluation: JSON.parse(readFileSync(file, 'utf8')) };
}

type Metrics = Readonly<Record<string, number>>;

const meanReward = (rows: readonly Metrics[]): number =>
  rows.reduce((sum, { reward = Number.NaN }) => sum + reward, 0) / rows.length;

async function trainAndEvaluate(method: MethodName, seed: number): Promise<Row> {
  const run = join(values.out, `${method}-${seed}`);
  const evaluated = join(run, 'evaluation.json');
  if (!existsSync(join(run, `checkpoint-${values.updates}`))) {
    await exit('train', config, '--method', method, '--seed', String(seed), '--updates', values.updates, '--out', run);
  }
  if (!existsSync(evaluated)) await exit('evaluate', '--model', run, '--seed', String(seed));
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const metrics = lines.map((line): Metrics => JSON.parse(line));
  const reward = { first: meanReward(metrics.slice(0, 20)), last: meanReward(metrics.slice(-20)) };
  const evaluation = JSON.parse(readFileSync(evaluated, 'utf8'));
  return { method, seed, updates: metrics.length, reward, evaluation };
}

function printDifferences(rows: readonly Row[]): void {
  const solved = (method: string, seed: number): number => {
    const row = selectMethod(rows, method).find((one) => one.seed === seed);
    return 100 * ((row && solvedAt(4)(row.evaluation)) ?? Number.NaN);
  };
  for (const method of methods.filter((one) => one !== 'grpo')) {
    const differences = seeds.map((seed) => solved(method, seed) - solved('grpo', seed));
    console.log(`${method} − grpo at k = 4, seed by seed: ${differences.map((value) => value.toFixed(1)).join(', ')}`);
  }
}

function printResult(rows: readonly Row[]): void {
  console.log(`Every dish right, %:\n\n${markdownTable(rows)}\n`);
  console.log(
    `Dishes right, %; fixed and broken are meals with every dish right:\n\n${markdownTable(rows, 'quality')}\n`,
  );
  printDifferences(rows);
  for (const { method, seed, reward } of rows) {
    if (reward) console.log(`${method}, seed ${seed}: reward ${reward.first.toFixed(3)} → ${reward.last.toFixed(3)}`);
  }
}

const runs = seeds.flatMap((seed) => methods.map((method) => () => trainAndEvaluate(method, seed)));
const rows = await runJobs([...runs, evaluateBase], Number(values.jobs));
const { cpu, cores, node } = describeMachine();
const command = `npx tsx bench/cafe.ts${values.all ? ' --all' : ''} --seeds ${values.seeds} --updates ${values.updates}`;
const result = { command, ...describeCommit(), machine: { cpu, cores, node }, config, seeds, rows };
writeFileSync(
  join(values.out, 'results.json'),
  `${JSON.stringify(result, null, 1)
    .replaceAll(`${resolve(values.out)}/`, '')
    .replaceAll(root, '')}\n`,
);
printResult(rows);
