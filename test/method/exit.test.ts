import { describe, expect, test } from 'vitest';
import { append, depth, emptyHistory, historyKey, openTurn, prefix } from '../../src/history.js';
import type { Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import {
  create,
  groupOf,
  keysIn,
  makeHistory,
  rolloutOf,
  runUpdates,
  stateOf,
  storedIn,
} from '../support/exit-curriculum.js';
import { oneRung } from '../support/ladder.js';

describe('Algorithm 1 on a task of three turns', () => {
  test('stores only histories of observed groups, each with the score of a group that produced it or was drawn from it', async () => {
    const curriculum = create({ capacity: 1000, replayProbability: 0.7 });
    const groups = await runUpdates(curriculum, 40);
    const scores = new Map<string, number[]>();
    for (const { start, rollouts, score } of groups) {
      const members = rollouts.filter(({ outcome }) => outcome.kind === 'finished');
      const partial = members.flatMap(({ history }) => history.turns.map((_, t) => prefix(history, t + 1)));
      const histories = [start.history, ...partial].filter(({ turns }) => turns.length > 0);
      const keys = histories.map((history) => historyKey(start.task.id, history));
      for (const key of [start.origin?.key ?? [], keys].flat()) scores.set(key, [...(scores.get(key) ?? []), score]);
    }
    expect(storedIn(curriculum).length).toBeGreaterThan(100);
    for (const { key, score } of storedIn(curriculum)) expect(scores.get(key)).toContain(score);
  });

  test('rewrites every turn, deepens histories, and adds one iterate per rewrite', async () => {
    const curriculum = create({ capacity: 64, replayProbability: 0.8 });
    const groups = await runUpdates(curriculum, 60);
    const rewrites = groups.filter(({ start }) => start.intent !== 'attempt');
    expect(new Set(rewrites.map(({ start }) => start.history.turns.length))).toEqual(new Set([1, 2, 3]));
    expect(Math.max(...rewrites.map(({ start }) => start.history.turns.at(-1)?.iterates.length ?? 0))).toBeGreaterThan(
      2,
    );
    for (const { start, rollouts } of rewrites) {
      const turn = start.history.turns.length;
      for (const { history } of rollouts) {
        expect(history.turns).toHaveLength(3);
        expect(prefix(history, turn, depth(start.history))).toEqual(start.history);
      }
    }
  });

  test('the history of a single-turn task is a chain of iterates', async () => {
    const curriculum = create({ family: oneRung, replayProbability: 0.8 });
    const groups = await runUpdates(curriculum, 30, { family: oneRung });
    expect(groups.every(({ rollouts }) => rollouts.every(({ history }) => history.turns.length === 1))).toBe(true);
  });

  test('replaces entries even when all answers are equal and all scores 0', async () => {
    const curriculum = create({ capacity: 4, minimumFill: 1, replayProbability: 0.5 });
    await runUpdates(curriculum, 5, { script: () => '4' });
    const before = keysIn(curriculum);
    await runUpdates(curriculum, 20, { script: () => '4', firstUpdate: 5 });
    expect(storedIn(curriculum).every(({ score }) => score === 0)).toBe(true);
    expect(keysIn(curriculum)).not.toEqual(before);
  });

  test('a policy that always fails leaves the curriculum unchanged', async () => {
    const curriculum = create();
    await runUpdates(curriculum, 5);
    const before = stateOf(curriculum).buffer;
    await runUpdates(curriculum, 3, {
      firstUpdate: 5,
      script: () => {
        throw new Error('down');
      },
    });
    expect(stateOf(curriculum).buffer).toEqual(before);
  });
});

describe('snapshot and restore', () => {
  test('the restored curriculum continues exactly as the original', async () => {
    const original = create({ replayProbability: 0.7 });
    await runUpdates(original, 12);
    const restored = create({ replayProbability: 0.7 });
    restored.restore(JSON.parse(JSON.stringify(original.snapshot())));
    expect(restored.metrics()).toEqual(original.metrics());
    const [one, other] = [
      await runUpdates(original, 12, { firstUpdate: 12 }),
      await runUpdates(restored, 12, { firstUpdate: 12 }),
    ];
    expect(other).toEqual(one);
    expect(restored.snapshot()).toEqual(original.snapshot());
    expect(restored.metrics()).toEqual(original.metrics());
  });

  test('refuses the state of another curriculum, family or set of tasks, and stays unchanged', async () => {
    const original = create();
    await runUpdates(original, 3);
    const state = original.snapshot();
    const fresh = create();
    expect(() => fresh.restore({ kind: 'uniform' })).toThrow(/uniform/);
    expect(() => create({ family: oneRung }).restore(state)).toThrow(/ladder/);
    const other = create({ tasks: [{ id: 'elsewhere', data: null }] });
    expect(() => other.restore(state)).toThrow(/ladder-\d+ is not among the 1 tasks/);
    expect(storedIn(other)).toEqual([]);
  });
});

test('appending to a drawn start leaves the stored history unchanged', () => {
  const curriculum = create({ minimumFill: 1, replayProbability: 1 });
  const [base] = curriculum.nextBatch(1, createRng(1)) as [Start];
  curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('a'))], 0.1)], createRng(1));
  const before = JSON.stringify(curriculum.snapshot());
  const { history } = stateOf(curriculum).buffer.slots[0]?.entry ?? { history: emptyHistory };
  const anIterate = { text: 'z', tokens: [1], quality: 0 };
  openTurn(append(history, 0, anIterate), anIterate);
  expect(JSON.stringify(curriculum.snapshot())).toBe(before);
});
