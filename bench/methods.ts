/**
 * Runs the five methods and the variants of their replay on code breaker and the café, over several seeds, and compares them
 * at equal updates. Every run is a process of one thread, trained and evaluated by the command that a user types; runs that are
 * finished in the folder are skipped, so an interrupted study goes on where it was.
 *
 *     npx tsx bench/methods.ts [--seeds 5] [--jobs 2] [--tasks code-breaker,cafe] [--variants exit,exit-base] [--out runs/methods]
 *
 * Prints a table for each task, and writes every evaluation, means with deviations and differences seed by seed to
 * bench/results/methods-SEEDS-seeds.json (--result FILE). --updates shortens all runs, to try the study itself.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { summarise } from '../src/evaluation/compare.js';
import { runJobs } from './lib/jobs.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { markdownTable, type TableRow } from './lib/markdown.js';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Task {
  readonly name: string;
  readonly source: string;
  readonly model: readonly string[];
  /** The iterations that tables show. */
  readonly shown: readonly number[];
}

const tasks: readonly Task[] = [
  {
    name: 'code-breaker',
    source: 'code-breaker',
    model: ['models/tiny', '--task', 'code-breaker'],
    shown: [0, 1, 4, 16],
  },
  {
    name: 'cafe',
    source: 'examples/cafe/config.yaml',
    model: ['models/cafe', '--config', 'examples/cafe/config.yaml'],
    shown: [0, 1, 4, 8],
  },
];

interface Variant {
  readonly name: string;
  /** The variant that it is compared with, seed by seed. */
  readonly against: string | undefined;
  readonly flags: readonly string[];
}

const variant = (name: string, against: string | undefined, method: string, ...flags: string[]): Variant => ({
  name,
  against,
  flags: ['--method', method, ...flags],
});

const withBase = ['--buffer.baseStarts', 'true'];
const priority = (kind: string, inverseTemperature: number): string[] => [
  ...['--buffer.priority.kind', kind],
  ...['--buffer.priority.inverseTemperature', String(inverseTemperature)],
];

/** The ladder as it is by default, the nested one, and the priorities of the full method. */
const variants: readonly Variant[] = [
  variant('grpo', undefined, 'grpo'),
  variant('curriculum', 'grpo', 'curriculum'),
  variant('improve', 'curriculum', 'improve'),
  variant('diverge', 'improve', 'diverge'),
  variant('exit', 'diverge', 'exit'),
  variant('improve-base', 'improve', 'improve', ...withBase),
  variant('diverge-base', 'diverge', 'diverge', ...withBase),
  variant('exit-base', 'exit', 'exit', ...withBase),
  variant('exit-rank-2', 'exit', 'exit', ...priority('rank', 2)),
  variant('exit-rank-8', 'exit', 'exit', ...priority('rank', 8)),
  variant('exit-uniform', 'exit', 'exit', ...priority('rank', 0)),
  variant('exit-absolute-80', 'exit', 'exit', ...priority('absolute', 80)),
  variant('exit-share', 'exit', 'exit', '--buffer.taskShare', '0.05'),
];

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '2' },
    tasks: { type: 'string', default: 'code-breaker,cafe' },
    variants: { type: 'string', default: variants.map(({ name }) => name).join() },
    updates: { type: 'string' },
    out: { type: 'string', default: 'runs/methods' },
    result: { type: 'string' },
  },
});

function select<Item extends { readonly name: string }>(items: readonly Item[], names: string): Item[] {
  return names.split(',').map((name) => {
    const found = items.find((item) => item.name === name);
    if (found === undefined) throw new Error(`there is no ${name}; there are ${items.map((item) => item.name).join()}`);
    return found;
  });
}

const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
const chosenTasks = select(tasks, values.tasks);
const chosenVariants = select(variants, values.variants);

/** The numbers of an evaluation that its tables need. */
type Evaluated = TableRow['evaluation'];

/** A trained and evaluated run; the base has no seed. */
interface Row extends TableRow {
  readonly task: string;
  readonly seed: number | null;
  /** Means of metrics over the last quarter of the updates. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Runs `exit-rl`; the end of its output explains a failure. */
async function exit(...command: string[]): Promise<void> {
  const child = spawn(process.execPath, ['dist/cli/main.js', ...command, '--threads', '1', '--json'], { cwd: root });
  let errors = '';
  child.stdout.resume();
  child.stderr.on('data', (part) => {
    errors = `${errors}${part}`.slice(-2000);
  });
  const code = await new Promise<number | null>((settle) => child.on('close', settle));
  if (code !== 0) throw new Error(`exit-rl ${command.join(' ')} ended with ${code}\n${errors}`);
}

function readEvaluation(file: string): Evaluated {
  const { example, model, standardErrors, tasksNeeded, ...numbers } = JSON.parse(readFileSync(file, 'utf8'));
  return numbers;
}

async function evaluateBase(task: Task): Promise<Row> {
  const file = join(values.out, `${task.name}-base.json`);
  if (!existsSync(file)) await exit('evaluate', '--model', ...task.model, '--seed', '1', '--out', file);
  return { task: task.name, method: 'base', seed: null, evaluation: readEvaluation(file), metrics: {} };
}

async function trainAndEvaluate(task: Task, { name, flags }: Variant, seed: number): Promise<Row> {
  const run = join(values.out, task.name, `${name}-${seed}`);
  const file = join(run, 'evaluation.json');
  if (!existsSync(file)) {
    rmSync(run, { recursive: true, force: true });
    const updates = values.updates === undefined ? [] : ['--updates', values.updates];
    await exit('train', task.source, ...flags, ...updates, '--seed', String(seed), '--out', run);
    await exit('evaluate', '--model', run, '--seed', String(seed));
    console.error(`${new Date().toISOString()} ${run}`);
  }
  return { task: task.name, method: name, seed, evaluation: readEvaluation(file), metrics: lateMetrics(run) };
}

const kept =
  /^(reward|quality|solved|frac_reward_zero_std|entropy|gain\/.*|repeated\/.*|quality\/.*|buffer\/.*|curriculum\/.*|diversity\/.*)$/;

function lateMetrics(run: string): Record<string, number> {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const rows = lines.map((line): Record<string, number> => JSON.parse(line));
  const late = rows.slice(-Math.ceil(rows.length / 4));
  const names = [...new Set(late.flatMap(Object.keys))].filter((key) => kept.test(key));
  const meanOf = (key: string): number => summarise(late.flatMap((row) => row[key] ?? [])).mean;
  return Object.fromEntries(names.map((key) => [key, Number(meanOf(key).toPrecision(5))]));
}

const percentAt = ({ evaluation }: Row, measure: 'solved' | 'quality', k: number): number =>
  100 * (evaluation[measure][evaluation.k.indexOf(k)] ?? Number.NaN);

const total = (list: readonly number[]): number => 100 * list.reduce((sum, one) => sum + one, 0);

const round = (value: number): number => Number(value.toFixed(2));

function spread(list: readonly number[]): { readonly mean: number; readonly deviation: number | null } {
  const { mean, deviation } = summarise(list);
  return { mean: round(mean), deviation: Number.isNaN(deviation) ? null : round(deviation) };
}

/** Means and deviations of one variant, in percent and per 100 tasks, with the differences to the variant it is compared with. */
function describe(task: Task, name: string, rows: readonly Row[]) {
  const of = (variantName: string): Row[] => rows.filter((row) => row.task === task.name && row.method === variantName);
  const own = of(name);
  const shares = (measure: 'solved' | 'quality') =>
    Object.fromEntries(task.shown.map((k) => [k, spread(own.map((row) => percentAt(row, measure, k)))]));
  const last = task.shown.at(-1) ?? 0;
  const differences = (against: string) => {
    const pairs = own.flatMap((row) => of(against).flatMap((other) => (other.seed === row.seed ? [[row, other]] : [])));
    const each = pairs.map(
      ([row, other]) => percentAt(row as Row, 'solved', last) - percentAt(other as Row, 'solved', last),
    );
    return each.length === 0 ? undefined : { against, k: last, solved: each.map(round), ...spread(each) };
  };
  const against = variants.find((one) => one.name === name)?.against;
  return {
    variant: name,
    runs: own.length,
    solved: shares('solved'),
    quality: shares('quality'),
    fixed: spread(own.map(({ evaluation }) => total(evaluation.fixed))),
    broken: spread(own.map(({ evaluation }) => total(evaluation.broken))),
    differences: [...new Set([against, 'grpo'])].flatMap((other) =>
      other === undefined || other === name ? [] : (differences(other) ?? []),
    ),
  };
}

type Description = ReturnType<typeof describe>;

const cell = ({ mean, deviation }: ReturnType<typeof spread>): string =>
  deviation === null ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${deviation.toFixed(1)}`;

function printTable(task: Task, described: readonly Description[]): void {
  const heads = [`${task.name}: solved %`, ...task.shown.map((k) => `k = ${k}`), 'fixed', 'broken', 'differences'];
  console.log(`\n| ${heads.join(' | ')} |\n|${heads.map(() => '---|').join('')}`);
  for (const { variant: name, solved, fixed, broken, differences } of described) {
    const compared = differences.map((one) => `${one.against}: ${cell(one)} (${one.solved.join(', ')})`).join('; ');
    const cells = [name, ...task.shown.map((k) => cell(solved[k] as never)), cell(fixed), cell(broken), compared];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

for (const task of chosenTasks) mkdirSync(join(values.out, task.name), { recursive: true });
// Seed by seed, so that a study that is stopped early holds whole comparisons.
const jobs = seeds.flatMap((seed) =>
  chosenTasks.flatMap((task) => chosenVariants.map((one) => () => trainAndEvaluate(task, one, seed))),
);
const rows = await runJobs([...chosenTasks.map((task) => () => evaluateBase(task)), ...jobs], Number(values.jobs));
const summary = Object.fromEntries(
  chosenTasks.map((task) => [
    task.name,
    ['base', ...chosenVariants.map(({ name }) => name)].map((name) => describe(task, name, rows)),
  ]),
);
const { cpu, cores, node } = describeMachine();
const result = {
  command: `npx tsx bench/methods.ts ${process.argv.slice(2).join(' ')}`.trim(),
  ...describeCommit(),
  machine: { cpu, cores, node },
  seeds,
  variants: Object.fromEntries(chosenVariants.map(({ name, flags }) => [name, flags.join(' ')])),
  summary,
  rows,
};
const file = values.result ?? `bench/results/methods-${seeds.length}-seeds.json`;
writeFileSync(file, `${JSON.stringify(result)}\n`);
for (const task of chosenTasks) {
  printTable(task, summary[task.name] ?? []);
  const own = rows.filter((row) => row.task === task.name);
  for (const measure of ['solved', 'quality'] as const) console.log(`\n${measure} %\n\n${markdownTable(own, measure)}`);
}
