/** What the live table shows of a demo: one row per run, and one for all of them together. */
import type { ProgressState } from '../../report/progress.js';
import { progressFacts } from '../progress-facts.js';
import type { Board, RunState } from './board.js';

const rowName = ({ method, seed }: RunState): string => (seed === null ? method : `${method} seed ${seed}`);

function rowState(board: Board, run: RunState): ProgressState {
  const { update, updates, phase } = run;
  const left = board.secondsLeftOf(run);
  return {
    update,
    updates,
    phase,
    ...progressFacts(run.metrics ?? {}),
    ...(left !== undefined && phase !== 'waiting' && { secondsLeft: left }),
  };
}

function togetherState(board: Board): ProgressState {
  const total = (count: (run: RunState) => number): number => board.runs.reduce((sum, run) => sum + count(run), 0);
  const left = board.secondsLeft();
  const state = { update: total(({ update }) => update), updates: total(({ updates }) => updates) };
  return left === undefined ? state : { ...state, secondsLeft: left };
}

/** The rows by name. The base trains nothing, so it has none of its own; its evaluation is in the time left. */
export function progressRows(board: Board): [name: string, state: ProgressState][] {
  const runs = board.runs.filter(({ updates }) => updates > 0);
  return [
    ...runs.map((run): [string, ProgressState] => [rowName(run), rowState(board, run)]),
    ['all', togetherState(board)],
  ];
}

/** Passes rows on, each only when it has changed since the last time. */
export function forwardChanges(
  update: (name: string, state: ProgressState) => void,
): (rows: readonly [name: string, state: ProgressState][]) => void {
  const known = new Map<string, string>();
  return (rows) => {
    for (const [name, state] of rows) {
      const text = JSON.stringify(state);
      if (known.get(name) !== text) update(name, state);
      known.set(name, text);
    }
  };
}
