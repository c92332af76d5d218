/** The jobs of a demo: evaluate the base; train and evaluate each run. Each step is a child process of this program. */
import { join } from 'node:path';
import { ExitRlError } from '../../errors.js';
import type { ComparisonRow } from '../../evaluation/compare.js';
import type { Evaluation } from '../../evaluation/evaluation.js';
import type { Board } from './board.js';
import { runChild } from './child.js';
import type { DemoPlan, PlannedRun } from './plan.js';

export interface DemoJobs {
  readonly plan: DemoPlan;
  /** The file of this program, which the children run. */
  readonly program: string;
  /** The base model's folder. */
  readonly model: string;
  readonly out: string;
  readonly board: Board;
  /** Receives every finished row. */
  readonly onRow: (row: ComparisonRow) => Promise<void>;
}

/** The jobs with the signal that ends their child processes. */
type StoppableJobs = DemoJobs & { readonly signal: AbortSignal };

type Line = Readonly<Record<string, unknown>>;

const runCommand = (
  jobs: StoppableJobs,
  command: readonly (string | number)[],
  onLine: (line: Line) => void,
): Promise<void> =>
  runChild({ arguments: [jobs.program, ...command.map(String), '--json'], onLine, signal: jobs.signal });

/** Returns a printed evaluation without the fields that describe its origin. */
function toEvaluation(line: Line): Evaluation {
  const { model: _model, task: _task, split: _split, seed: _seed, ...evaluation } = line;
  return evaluation as unknown as Evaluation;
}

/** Runs `evaluate`; `subject` holds the arguments after --model, `seed` seeds the chains' random numbers. */
async function evaluate(jobs: StoppableJobs, subject: readonly string[], seed: number): Promise<Evaluation> {
  const { draws, iterations } = jobs.plan;
  const settings = ['--iterations', iterations, '--draws', draws, '--split', 'test', '--seed', seed, '--threads', 1];
  let evaluation: Evaluation | undefined;
  await runCommand(jobs, ['evaluate', '--model', ...subject, ...settings], (line) => {
    if (Array.isArray(line.solved)) evaluation = toEvaluation(line);
  });
  if (evaluation === undefined) throw new ExitRlError('CHILD_FAILED', 'an evaluation ended without a result');
  return evaluation;
}

async function evaluateBase(jobs: StoppableJobs): Promise<void> {
  const { board, plan, model, onRow } = jobs;
  board.enter('base', 'evaluating');
  const evaluation = await evaluate(jobs, [model, '--task', 'code-breaker'], plan.seeds[0] ?? 0);
  await onRow({ method: 'base', seed: null, updates: 0, trainSeconds: 0, evaluation, run: null });
  board.evaluated('base', evaluation.seconds);
}

async function trainAndEvaluate(jobs: StoppableJobs, run: PlannedRun): Promise<void> {
  const { board, plan, model, out, onRow } = jobs;
  const { method, seed, folder } = run;
  const path = join(out, folder);
  board.enter(folder, 'training');
  const settings = ['--model', model, '--method', method, '--seed', seed, '--updates', plan.updates];
  await runCommand(jobs, ['train', plan.recipe, ...settings, '--threads', 1, '--out', path], (line) => {
    if (typeof line.update === 'number') board.trained(run, line as Readonly<Record<string, number>>);
  });
  board.enter(folder, 'evaluating');
  const evaluation = await evaluate(jobs, [path], seed);
  const trainSeconds = board.getTrainSeconds(run);
  await onRow({ method, seed, updates: plan.updates, trainSeconds, evaluation, run: folder });
  board.evaluated(folder, evaluation.seconds);
}

/** Lists the longest jobs first, so that the cores finish together; the base, which is only evaluated, is last. */
export function listJobs(jobs: DemoJobs): ((signal: AbortSignal) => Promise<void>)[] {
  const runs = jobs.plan.runs.map((run) => (signal: AbortSignal) => trainAndEvaluate({ ...jobs, signal }, run));
  return [...runs, (signal) => evaluateBase({ ...jobs, signal })];
}
