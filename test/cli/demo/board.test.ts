import { describe, expect, test } from 'vitest';
import { Board } from '../../../src/cli/demo/board.js';
import { progressRows } from '../../../src/cli/demo/display.js';
import { type PlannedRun, planDemo } from '../../../src/cli/demo/plan.js';

const plan = planDemo({ quick: false, all: false, seeds: 1, seed: 1, out: 'demo' });
const [grpo, exit] = plan.runs as [PlannedRun, PlannedRun];

function board() {
  let changes = 0;
  const made = new Board(plan, 2, () => {
    changes += 1;
  });
  return { board: made, changes: () => changes };
}

describe('the board', () => {
  test('gives no estimate before the first update', () => {
    expect(board().board.estimateTotalSecondsLeft()).toBeUndefined();
  });

  test('estimates the remaining time from the pace so far, divided by the runs at a time', () => {
    const { board: made } = board();
    made.enter(grpo.folder, 'training');
    made.trained(grpo, { update: 100, step_time: 5 });
    made.trained(exit, { update: 300, step_time: 15 });
    // 0.05 s per update: 1,100 and 900 updates left, and three evaluations of 160 updates' time each, two runs at a time.
    expect(made.estimateTotalSecondsLeft()).toBeCloseTo((0.05 * (1100 + 900) + 3 * 8) / 2, 10);
    made.evaluated('base', 10);
    expect(made.estimateTotalSecondsLeft()).toBeCloseTo((0.05 * (1100 + 900) + 2 * 10) / 2, 10);
  });

  test('estimates zero when all runs are done', () => {
    const { board: made } = board();
    made.trained(grpo, { update: 1200, step_time: 60 });
    made.trained(exit, { update: 1200, step_time: 60 });
    for (const name of ['base', grpo.folder, exit.folder]) made.evaluated(name, 10);
    expect(made.estimateTotalSecondsLeft()).toBe(0);
  });

  test('sums training time and reports every change', () => {
    const { board: made, changes } = board();
    made.trained(grpo, { update: 1, step_time: 0.25 });
    made.trained(grpo, { update: 2, step_time: 0.5 });
    expect(made.getTrainSeconds(grpo)).toBe(0.75);
    expect(changes()).toBe(2);
  });
});

test('the table has a row per run and one for all, with metrics under the names of its columns', () => {
  const { board: made } = board();
  made.enter(exit.folder, 'training');
  made.trained(exit, {
    update: 300,
    step_time: 30,
    reward: 0.5,
    solved: 0.25,
    'curriculum/depth': 1.5,
    'buffer/size': 64,
  });
  const rows = new Map(progressRows(made));
  expect([...rows.keys()]).toEqual(['grpo seed 1', 'exit seed 1', 'all']);
  expect(rows.get('grpo seed 1')).toEqual({ update: 0, updates: 1200, phase: 'waiting' });
  expect(rows.get('exit seed 1')).toEqual({
    update: 300,
    updates: 1200,
    phase: 'training',
    reward: 0.5,
    solved: 0.25,
    depth: 1.5,
    buffer: 64,
    secondsLeft: 900 * 0.1 + 160 * 0.1,
  });
  expect(rows.get('all')).toMatchObject({ update: 300, updates: 2400 });
});
