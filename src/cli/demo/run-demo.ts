/** Runs a whole demo: concurrent jobs, the live table, and a comparison that is rewritten after each run. */
import { availableParallelism } from 'node:os';
import { mapBounded } from '../../abort.js';
import type { ComparisonRow } from '../../evaluation/compare.js';
import { codeBreaker } from '../../recipes/code-breaker.js';
import { createProgress, type Progress } from '../../report/progress.js';
import type { Comparison } from '../../report/records.js';
import { Board } from './board.js';
import { forwardChanges, progressRows } from './display.js';
import { listJobs } from './jobs.js';
import type { DemoPlan } from './plan.js';
import { compareRows, writeComparison } from './write-comparison.js';

export interface DemoRun {
  readonly plan: DemoPlan;
  /** The comparison folder. */
  readonly out: string;
  /** The file of this program, which the children run. */
  readonly program: string;
  /** The terminal of the live table; absent shows none. */
  readonly screen?: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

function openProgress({ plan, screen }: DemoRun, width: number): Progress | undefined {
  if (screen === undefined) return undefined;
  const title = `code-breaker, ${plan.updates} updates a run, ${width} at a time`;
  return createProgress({ stream: screen, isTTY: screen.isTTY === true, title });
}

/** Collects rows and writes the comparison after each, one write at a time. */
function collectRows({ plan, out }: DemoRun) {
  const rows: ComparisonRow[] = [];
  let written = Promise.resolve();
  const onRow = (row: ComparisonRow): Promise<void> => {
    rows.push(row);
    written = written.then(() => writeComparison(out, compareRows(plan, rows)));
    return written;
  };
  return { rows, onRow };
}

/**
 * Trains and evaluates all runs of the plan, with one child process per core at a time.
 * @throws CancelledError when `signal` fired, ExitRlError `CHILD_FAILED` when a child failed.
 */
export async function runDemo(run: DemoRun): Promise<Comparison> {
  const width = availableParallelism();
  const progress = openProgress(run, width);
  const forward = forwardChanges((name, state) => progress?.update(name, state));
  const board: Board = new Board(run.plan, width, () => forward(progressRows(board)));
  const { rows, onRow } = collectRows(run);
  const model = codeBreaker().model;
  try {
    const jobs = listJobs({ ...run, model, board, onRow });
    await mapBounded(jobs.length, { limit: width, signal: run.signal }, async (at, signal) => jobs[at]?.(signal));
  } finally {
    progress?.finish();
  }
  return compareRows(run.plan, rows);
}
