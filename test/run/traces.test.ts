/** The lines of traces.jsonl draw the lineage of every start. */
import { describe, expect, test } from 'vitest';
import { emptyHistory, type History, historyKey } from '../../src/history.js';
import { type Group, isTrainable } from '../../src/method/group.js';
import type { Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import { traceUpdate } from '../../src/run/traces.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { create, groupOf, makeHistory, rolloutOf, runUpdates, task } from '../support/exit-curriculum.js';
import { type LadderData, ladder } from '../support/ladder.js';

type Line = Readonly<Record<string, unknown>>;

const linesOf = (update: number, groups: readonly Group[]): Line[] =>
  traceUpdate(
    update,
    {
      groups,
      credited: groups
        .filter(isTrainable)
        .map((group) => ({ group, advantages: new Float64Array(group.rollouts.length) })),
    },
    'all',
  ) as Line[];

test('a line of a base task has no entry, no parent and no stored score', () => {
  const start: Start = { task, history: emptyHistory, intent: 'attempt' };
  const reached = makeHistory('a');
  expect(linesOf(1, [groupOf(start, [rolloutOf(start, reached)], 0.1)])).toMatchObject([
    {
      ...{ start: historyKey(task.id, emptyHistory), parent: null, entry: null, depth: 0, turn: 0, score: 0.1 },
      ...{ stored_score: null, score_age: null, score_origin: null, reached: historyKey(task.id, reached) },
    },
  ]);
});

test('a line of a replayed start has the entry with the age and origin of its score, and the parent of the cut', () => {
  const origin = { key: 'entry', insertedAt: 2, score: 0.2, scoredAt: 4, measured: true };
  const start: Start = { task, history: makeHistory('a', 'bc'), intent: 'improve', origin };
  const line = { entry: 'entry', depth: 2, turn: 1, stored_score: 0.2, score_age: 5, score_origin: 'measured' };
  const rollouts = [rolloutOf(start, makeHistory('a', 'bcd'))];
  // Update 10 is the tenth, and entries count from 0.
  expect(linesOf(10, [groupOf(start, rollouts, 0.1)])[0]).toMatchObject({
    ...line,
    parent: historyKey(task.id, makeHistory('a', 'b')),
  });
  const inherited = { ...start, origin: { ...origin, measured: false } };
  const unknown = linesOf(10, [groupOf(inherited, rollouts, Number.NaN)])[0];
  expect(unknown).toMatchObject({ score_origin: 'inherited', score: null });
});

describe('the lineage', () => {
  /** Reads the parent of every history from the lines alone. */
  function readParents(lines: readonly Line[]): Map<unknown, unknown> {
    const parents = new Map<unknown, unknown>();
    for (const { start, parent: before, turns } of lines) {
      parents.set(start, before);
      let last = start;
      for (const { reached } of turns as Line[]) {
        parents.set(reached, last);
        last = reached;
      }
    }
    return parents;
  }

  const isBroken = (history: History, answer: string): boolean => history.turns.length === 2 && answer === '3';
  const failing: TaskFamily = {
    ...(ladder as TaskFamily),
    verify: (given, history, answer, intent) => {
      if (isBroken(history, answer)) throw new Error('the verifier is down');
      return ladder.verify(given as Task<LadderData>, history, answer, intent);
    },
  };

  test.each([
    ['three turns', ladder as TaskFamily],
    ['groups that fail at the third turn', failing],
  ])('of every replayed start leads to a base task through earlier lines: %s', async (_, family) => {
    const curriculum = create({ capacity: 1000, replayProbability: 0.8 });
    const groups = await runUpdates(curriculum, 30, { family });
    const lines = groups.flatMap((group, at) => linesOf(1 + Math.floor(at / 4), [group]));
    const replayed = lines.filter(({ entry }) => entry !== null);
    expect(replayed.length).toBeGreaterThan(50);
    expect(lines.some(({ advantage }) => advantage === null)).toBe(family === failing);
    for (const line of replayed) {
      const parents = readParents(lines.filter(({ update }) => (update as number) < (line.update as number)));
      expect(parents.has(line.entry)).toBe(true);
      expect(parents.get(line.start)).toBe(line.parent);
      for (let key = line.start; key !== null; key = parents.get(key)) expect(parents.has(key)).toBe(true);
      expect(line.score_age).toBeGreaterThan(0);
    }
    expect(new Set(replayed.map(({ score_origin }) => score_origin))).toEqual(new Set(['measured', 'inherited']));
  });

  test('of a drawn start: the entry is the one that the curriculum holds', () => {
    const curriculum = create({ minimumFill: 1, replayProbability: 1 });
    const base: Start = { task, history: emptyHistory, intent: 'attempt' };
    curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('abc'))], 0.1)], createRng(1));
    const [start] = curriculum.nextBatch(1, createRng(3)) as [Start];
    expect(linesOf(2, [groupOf(start, [rolloutOf(start, makeHistory('abcd'))], 0.1)])[0]).toMatchObject({
      ...{ entry: historyKey(task.id, makeHistory('abc')), stored_score: 0.1, score_age: 1, score_origin: 'inherited' },
    });
  });
});
