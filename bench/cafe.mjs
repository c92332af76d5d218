/**
 * The café: the base, GRPO and ExIt at equal updates on several seeds, each trained and evaluated by the commands that
 * a user types. What is finished in the folder is not run again.
 *
 *     node bench/cafe.mjs [--seeds 3] [--jobs 2] [--updates 300] [--out runs/cafe]
 *
 * Prints the table and writes results.json into the folder.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { summarise } from '../dist/src/evaluation/compare.js';
import { describeCommit, describeMachine } from './lib/machine.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const config = 'examples/cafe/config.yaml';
const shown = [0, 1, 2, 4, 8];
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
async function exit(...command) {
  const child = spawn(process.execPath, ['dist/src/cli/main.js', ...command, '--threads', '1', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (part) => (text += part));
  const code = await new Promise((settle) => child.on('close', settle));
  if (code !== 0) throw new Error(`exit-rl ${command.join(' ')} ended with ${code}`);
  return text;
}

async function evaluateBase() {
  const file = join(values.out, 'base.json');
  if (!existsSync(file)) {
    await exit('evaluate', '--model', 'models/cafe', '--config', config, '--seed', '1', '--out', file);
  }
  return { method: 'base', seed: null, updates: 0, evaluation: JSON.parse(readFileSync(file, 'utf8')) };
}

const meanOf = (rows, key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length;

async function trainAndEvaluate(method, seed) {
  const run = join(values.out, `${method}-${seed}`);
  const evaluated = join(run, 'evaluation.json');
  if (!existsSync(join(run, `checkpoint-${values.updates}`))) {
    await exit('train', config, '--method', method, '--seed', seed, '--updates', values.updates, '--out', run);
  }
  if (!existsSync(evaluated)) await exit('evaluate', '--model', run, '--seed', seed);
  const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
  const reward = { first: meanOf(metrics.slice(0, 20), 'reward'), last: meanOf(metrics.slice(-20), 'reward') };
  const evaluation = JSON.parse(readFileSync(evaluated, 'utf8'));
  return { method, seed, updates: metrics.length, reward, evaluation };
}

/** All jobs, `count` at a time; results in the order of the jobs. */
async function runJobs(jobs, count) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) {
      const at = next++;
      results[at] = await jobs[at]();
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}

function cells(rows, measure) {
  return shown.map((k) => {
    const { mean, deviation } = summarise(
      rows.map(({ evaluation }) => 100 * evaluation[measure][evaluation.k.indexOf(k)]),
    );
    return Number.isNaN(deviation) ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${deviation.toFixed(1)}`;
  });
}

function printTable(rows) {
  const of = (method) => rows.filter((row) => row.method === method);
  for (const [measure, title] of [
    ['solved', 'every dish right, %'],
    ['quality', 'dishes right, %'],
  ]) {
    console.log(`| ${title} | ${shown.map((k) => (k === 0 ? 'k=0' : k)).join(' | ')} |\n|---|${'---|'.repeat(5)}`);
    for (const method of ['base', 'grpo', 'exit'])
      console.log(`| ${method} | ${cells(of(method), measure).join(' | ')} |`);
  }
  const at = ({ evaluation }, k) => 100 * evaluation.solved[evaluation.k.indexOf(k)];
  const differences = seeds.map((seed) => {
    const [exitRow, grpoRow] = ['exit', 'grpo'].map((method) => of(method).find((row) => row.seed === seed));
    return at(exitRow, 4) - at(grpoRow, 4);
  });
  console.log(`ExIt − GRPO at k = 4, seed by seed: ${differences.map((value) => value.toFixed(1)).join(', ')}`);
  for (const { method, seed, reward } of rows.filter((row) => row.reward)) {
    console.log(`${method}, seed ${seed}: reward ${reward.first.toFixed(3)} → ${reward.last.toFixed(3)}`);
  }
}

const runs = seeds.flatMap((seed) => ['grpo', 'exit'].map((method) => () => trainAndEvaluate(method, seed)));
const rows = await runJobs([...runs, evaluateBase], Number(values.jobs));
const { cpu, cores, node } = describeMachine();
const command = `node bench/cafe.mjs --seeds ${values.seeds} --updates ${values.updates}`;
const result = { command, ...describeCommit(), machine: { cpu, cores, node }, config, seeds, rows };
writeFileSync(
  join(values.out, 'results.json'),
  `${JSON.stringify(result, null, 1)
    .replaceAll(`${resolve(values.out)}/`, '')
    .replaceAll(root, '')}\n`,
);
printTable(rows);
