/** Derives the rows of a demo's live table: one per run, and one for all runs together. */
import type { ProgressState } from '../../report/progress.js';
import { progressFacts } from '../progress-facts.js';
import type { Board, RunState } from './board.js';

const rowName = ({ method, seed }: RunState): string => (seed === null ? method : `${method} seed ${seed}`);

function rowState(board: Board, run: RunState): ProgressState {
  const { update, updates, phase } = run;
  const left = board.estimateSecondsLeft(run);
  return {
    update,
    updates,
    phase,
    ...progressFacts(run.metrics ?? {}),
    ...(left !== undefined && phase !== 'waiting' && { secondsLeft: left }),
  };
}

function totalState(board: Board): ProgressState {
  const total = (count: (run: RunState) => number): number => board.runs.reduce((sum, run) => sum + count(run), 0);
  const left = board.estimateTotalSecondsLeft();
  const state = { update: total(({ update }) => update), updates: total(({ updates }) => updates) };
  return left === undefined ? state : { ...state, secondsLeft: left };
}

/** Lists the rows by name. The base does not train, so it has no row; the remaining time includes its evaluation. */
export function progressRows(board: Board): [name: string, state: ProgressState][] {
  const runs = board.runs.filter(({ updates }) => updates > 0);
  return [
    ...runs.map((run): [string, ProgressState] => [rowName(run), rowState(board, run)]),
    ['all', totalState(board)],
  ];
}

/** Creates a function that forwards only the rows that changed since its last call. */
export function forwardChanges(
  update: (name: string, state: ProgressState) => void,
): (rows: readonly [name: string, state: ProgressState][]) => void {
  const previous = new Map<string, string>();
  return (rows) => {
    for (const [name, state] of rows) {
      const text = JSON.stringify(state);
      if (previous.get(name) !== text) update(name, state);
      previous.set(name, text);
    }
  };
}
