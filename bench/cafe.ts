/**
 * The café: compares the base, GRPO and ExIt at equal updates on several seeds, each trained and evaluated by the commands
 * that a user types. It skips the runs that are finished in the folder.
 *
 *     npx tsx bench/cafe.ts [--seeds 3] [--jobs 2] [--updates 300] [--out runs/cafe]
 *
 * Prints the table and writes results.json into the folder.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { summarise } from '../src/evaluation/compare.js';
import type { Evaluation } from '../src/evaluation/evaluation.js';
import { describeCommit, describeMachine } from './lib/machine.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const config = 'examples/cafe/config.yaml';
const shown = [0, 1, 2, 4, 8];

type Method = 'base' | 'grpo' | 'exit';

/** One evaluated model; the base has no seed and no reward. */
interface Row {
  readonly method: Method;
  readonly seed: number | null;
  readonly updates: number;
  /** Mean reward of the first and of the last 20 updates. */
  readonly reward?: { readonly first: number; readonly last: number };
  readonly evaluation: Evaluation;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '2' },
    updates: { type: 'string', default: '300' },
    out: { type: 'string', default: 'runs/cafe' },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);

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

async function trainAndEvaluate(method: 'grpo' | 'exit', seed: number): Promise<Row> {
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

/** Runs all jobs, `count` at a time; returns results in the order of the jobs. */
async function runJobs<Result>(jobs: readonly (() => Promise<Result>)[], count: number): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let job = jobs[next]; job !== undefined; job = jobs[next]) {
      const at = next++;
      results[at] = await job();
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}

const percentAt = ({ evaluation }: Row, measure: 'solved' | 'quality', k: number): number =>
  100 * (evaluation[measure][evaluation.k.indexOf(k)] ?? Number.NaN);

function cells(rows: readonly Row[], measure: 'solved' | 'quality'): string[] {
  return shown.map((k) => {
    const { mean, deviation } = summarise(rows.map((row) => percentAt(row, measure, k)));
    return Number.isNaN(deviation) ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${deviation.toFixed(1)}`;
  });
}

function printTable(rows: readonly Row[]): void {
  const of = (method: Method): Row[] => rows.filter((row) => row.method === method);
  for (const [measure, title] of [
    ['solved', 'every dish right, %'],
    ['quality', 'dishes right, %'],
  ] as const) {
    console.log(`| ${title} | ${shown.map((k) => (k === 0 ? 'k=0' : k)).join(' | ')} |\n|---|${'---|'.repeat(5)}`);
    for (const method of ['base', 'grpo', 'exit'] as const)
      console.log(`| ${method} | ${cells(of(method), measure).join(' | ')} |`);
  }
  const differences = seeds.map((seed) => {
    const solved = (method: Method): number =>
      of(method)
        .filter((row) => row.seed === seed)
        .reduce((_, row) => percentAt(row, 'solved', 4), Number.NaN);
    return solved('exit') - solved('grpo');
  });
  console.log(`ExIt − GRPO at k = 4, seed by seed: ${differences.map((value) => value.toFixed(1)).join(', ')}`);
  for (const { method, seed, reward } of rows) {
    if (reward) console.log(`${method}, seed ${seed}: reward ${reward.first.toFixed(3)} → ${reward.last.toFixed(3)}`);
  }
}

const runs = seeds.flatMap((seed) => (['grpo', 'exit'] as const).map((method) => () => trainAndEvaluate(method, seed)));
const rows = await runJobs([...runs, evaluateBase], Number(values.jobs));
const { cpu, cores, node } = describeMachine();
const command = `npx tsx bench/cafe.ts --seeds ${values.seeds} --updates ${values.updates}`;
const result = { command, ...describeCommit(), machine: { cpu, cores, node }, config, seeds, rows };
writeFileSync(
  join(values.out, 'results.json'),
  `${JSON.stringify(result, null, 1)
    .replaceAll(`${resolve(values.out)}/`, '')
    .replaceAll(root, '')}\n`,
);
printTable(rows);
