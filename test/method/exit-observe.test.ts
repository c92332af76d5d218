import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyHistory, type History, historyKey } from '../../src/history.js';
import type { Curriculum } from '../../src/method/curriculum.js';
import type { Outcome } from '../../src/method/outcome.js';
import type { Rollout, Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import { deepFreeze, histories } from '../support/arbitraries.js';
import {
  create,
  groupOf,
  keysIn,
  makeHistory,
  rolloutOf,
  runUpdates,
  storedIn,
  task,
} from '../support/exit-curriculum.js';
import { ladderTasks } from '../support/ladder.js';

describe('observe', () => {
  const base: Start = { task, history: emptyHistory, intent: 'attempt' };
  const rewritten: Start = { task, history: makeHistory('a', 'bc'), intent: 'improve' };

  test('inserts the start, m⁺ and every per-turn partial history of m⁺, all with the score S', () => {
    const curriculum = create();
    const expanded = makeHistory('a', 'bcd', 'e');
    curriculum.observe([groupOf(rewritten, [rolloutOf(rewritten, expanded)], 0.125)], createRng(1));
    const expected = [makeHistory('a', 'bc'), expanded, makeHistory('a'), makeHistory('a', 'bcd')];
    expect(keysIn(curriculum).sort()).toEqual(expected.map((history) => historyKey(task.id, history)).sort());
    expect(storedIn(curriculum).every(({ score }) => score === 0.125)).toBe(true);
  });

  test('inserts m⁺ and its partial histories for a base task, and not the empty history', () => {
    const curriculum = create();
    curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('a', 'b'))], 0.1)], createRng(1));
    const histories = storedIn(curriculum).map(({ entry }) => entry.history);
    expect(histories).toEqual([makeHistory('a', 'b'), makeHistory('a')]);
  });

  test('updates the score of a start that the buffer holds, without a duplicate', () => {
    const curriculum = create();
    const observe = (score: number): void => {
      curriculum.observe(
        [groupOf(rewritten, [rolloutOf(rewritten, makeHistory('a', 'bcd', 'e'))], score)],
        createRng(1),
      );
    };
    observe(0.2);
    observe(0.05);
    expect(storedIn(curriculum)).toHaveLength(4);
    expect(storedIn(curriculum).every(({ score }) => score === 0.05)).toBe(true);
  });

  test('expands a uniformly drawn finished member', () => {
    const kinds = ['malformed', 'finished', 'overlong', 'finished', 'failed', 'finished'] as const;
    const members = kinds.map((kind, i) => rolloutOf(base, makeHistory(String(i)), kind));
    const chosen = new Map<string, number>();
    for (let seed = 0; seed < 3000; seed++) {
      const curriculum = create();
      curriculum.observe([groupOf(base, members, 0.1)], createRng(seed));
      const text = storedIn(curriculum)[0]?.entry.history.turns[0]?.iterates[0]?.text ?? '';
      chosen.set(text, (chosen.get(text) ?? 0) + 1);
    }
    expect([...chosen.keys()].sort()).toEqual(['1', '3', '5']);
    // Four standard deviations of a count with mean 1000.
    for (const count of chosen.values()) expect(Math.abs(count - 1000)).toBeLessThan(104);
  });

  test('expands no member when none finished, and still scores the start', () => {
    const curriculum = create();
    const members = [
      rolloutOf(rewritten, makeHistory('a', 'bcx'), 'malformed'),
      rolloutOf(rewritten, makeHistory('a'), 'failed'),
    ];
    curriculum.observe([groupOf(rewritten, members, 0.1)], createRng(1));
    expect(keysIn(curriculum)).toEqual([historyKey(task.id, rewritten.history)]);
  });

  test('an unknown score stores nothing, and leaves the scores of the entry and the start as they are', () => {
    const curriculum = create();
    const unknown = groupOf(rewritten, [rolloutOf(rewritten, makeHistory('a', 'bcd'))], Number.NaN);
    curriculum.observe([unknown], createRng(1));
    expect(keysIn(curriculum)).toEqual([]);
    curriculum.observe([groupOf(rewritten, [], 0.2)], createRng(1));
    const before = storedIn(curriculum);
    curriculum.observe([unknown], createRng(1));
    expect(storedIn(curriculum)).toEqual(before);
    expect(before[0]).toMatchObject({ score: 0.2, scoredAt: 1, measured: true });
  });

  describe('the measured score', () => {
    const stored = makeHistory('abc');
    /** Draws from a buffer that holds one history of three iterates, and observes its group; m⁺ is a fourth. */
    function replay(seed: number, score: number, reached = 'abcd') {
      const curriculum = create({ minimumFill: 1, replayProbability: 1, divergeProbability: 0 });
      curriculum.observe([groupOf(base, [rolloutOf(base, stored)], 0.25)], createRng(1));
      const [start] = curriculum.nextBatch(1, createRng(seed)) as [Start];
      curriculum.observe([groupOf(start, [rolloutOf(start, makeHistory(reached))], score)], createRng(1));
      return { curriculum, start };
    }
    const scoreOf = (curriculum: Curriculum, history: History) =>
      storedIn(curriculum).find(({ key }) => key === historyKey(task.id, history));

    test.each([1, 2, 3])('reaches the entry that was drawn, also when the start is cut to %d iterates', (depth) => {
      const seeds = Array.from({ length: 40 }, (_, seed) => seed);
      const seed = seeds.find((one) => replay(one, 0).start.history.turns[0]?.iterates.length === depth) as number;
      const { curriculum, start } = replay(seed, 0.03);
      expect(start.origin).toMatchObject({
        key: historyKey(task.id, stored),
        score: 0.25,
        measured: false,
        scoredAt: 0,
      });
      expect(scoreOf(curriculum, stored)).toMatchObject({ score: 0.03, scoredAt: 1, measured: true });
      expect(scoreOf(curriculum, start.history)).toMatchObject({ score: 0.03, scoredAt: 1, measured: true });
      expect(scoreOf(curriculum, makeHistory('abcd'))).toMatchObject({ score: 0.03, measured: false });
    });

    test('is not replaced by one that the same history inherits', () => {
      const { curriculum, start } = replay(1, 0.03, 'abc');
      expect(scoreOf(curriculum, stored)).toMatchObject({ score: 0.03, measured: true });
      const other: Start = { ...start, history: makeHistory('ab') };
      curriculum.observe(
        [groupOf({ ...other, origin: undefined } as never, [rolloutOf(other, stored)], 0.2)],
        createRng(1),
      );
      expect(scoreOf(curriculum, stored)).toMatchObject({ score: 0.03, measured: true });
      expect(scoreOf(curriculum, makeHistory('ab'))).toMatchObject({ score: 0.2, measured: true });
    });

    test('a draw that disappoints lets the entry fall behind the others, whatever the cut', () => {
      const curriculum = create({
        minimumFill: 1,
        replayProbability: 1,
        priority: { kind: 'absolute', inverseTemperature: 80 },
      });
      curriculum.observe([groupOf(base, [rolloutOf(base, stored)], 0.25)], createRng(1));
      curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('x'))], 0.1)], createRng(1));
      const drawn = [1, 2].map((seed) => {
        const [start] = curriculum.nextBatch(1, createRng(seed)) as [Start];
        curriculum.observe([groupOf(start, [], 0)], createRng(seed));
        return start.history.turns[0]?.iterates[0]?.text;
      });
      expect(drawn).toEqual(['a', 'x']);
    });
  });

  describe('a member whose later turn broke', () => {
    const verdict = (wellFormed: boolean) => ({
      promptTokens: new Int32Array(),
      completion: {},
      verdict: { quality: 0.5, wellFormed },
    });
    const broken = (kind: Outcome['kind'], readable: boolean[], history: History, start = base): Rollout =>
      ({ ...rolloutOf(start, history, kind), turns: readable.map(verdict) }) as unknown as Rollout;
    const keysOf = (...histories: History[]) => histories.map((history) => historyKey(task.id, history)).sort();

    test.each(['malformed', 'overlong'] as const)('%s: is expanded up to it', (kind) => {
      const curriculum = create();
      const rollout = broken(kind, [true, true, false], makeHistory('a', 'b', 'x'));
      curriculum.observe([groupOf(base, [rollout], 0.1)], createRng(1));
      expect(keysIn(curriculum).sort()).toEqual(keysOf(makeHistory('a'), makeHistory('a', 'b')));
    });

    test('failed: is expanded up to it, but not where the reward failed', () => {
      const curriculum = create();
      const failed = broken('failed', [true, true], makeHistory('a', 'b'));
      const unrewarded = { ...failed, outcome: { kind: 'failed', boundary: 'reward', detail: 'no disk' } } as Rollout;
      curriculum.observe([groupOf(base, [unrewarded], 0.1)], createRng(1));
      expect(keysIn(curriculum)).toEqual([]);
      curriculum.observe([groupOf(base, [failed], 0.1)], createRng(1));
      expect(keysIn(curriculum).sort()).toEqual(keysOf(makeHistory('a'), makeHistory('a', 'b')));
    });

    test('of a rewrite: keeps the rewritten turn, and nothing where that is what broke', () => {
      const good = create();
      const kept = broken('malformed', [true, false], makeHistory('a', 'bcd', 'x'), rewritten);
      good.observe([groupOf(rewritten, [kept], 0.1)], createRng(1));
      expect(keysIn(good).sort()).toEqual(keysOf(rewritten.history, makeHistory('a'), makeHistory('a', 'bcd')));
      const bad = create();
      bad.observe(
        [groupOf(rewritten, [broken('overlong', [false], makeHistory('a', 'bcx'), rewritten)], 0.1)],
        createRng(1),
      );
      expect(keysIn(bad)).toEqual(keysOf(rewritten.history));
    });

    test('by a prompt that does not fit the context: is expanded whole', () => {
      const curriculum = create();
      curriculum.observe([groupOf(base, [broken('overlong', [true], makeHistory('a'))], 0.1)], createRng(1));
      expect(keysIn(curriculum)).toEqual(keysOf(makeHistory('a')));
    });
  });

  test('every entry names its parent, so that its lineage leads to the base task', async () => {
    const curriculum = create({ capacity: 1000, replayProbability: 0.8 });
    await runUpdates(curriculum, 40);
    const entries = new Map(storedIn(curriculum).map(({ key, entry }) => [key, entry]));
    const roots = new Set(ladderTasks.map(({ id }) => historyKey(id, emptyHistory)));
    for (const { entry } of storedIn(curriculum)) {
      expect(entry.depth).toBe(entry.history.turns.at(-1)?.iterates.length);
      let answers = 0;
      let key: string | null = entry.parent;
      for (; key !== null && entries.has(key); key = entries.get(key)?.parent ?? null) answers++;
      // Below capacity every ancestor is stored but the base task.
      expect(roots.has(key ?? '')).toBe(true);
      expect(answers + 1).toBe(entry.history.turns.reduce((sum, { iterates }) => sum + iterates.length, 0));
    }
  });

  test('stores base tasks beside histories with `baseStarts`', () => {
    const curriculum = create({ baseStarts: true });
    curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('a'))], 0.1)], createRng(1));
    expect(storedIn(curriculum).map(({ entry, score, measured }) => [entry.history, score, measured])).toEqual([
      [emptyHistory, 0.1, true],
      [makeHistory('a'), 0.1, false],
    ]);
    expect(storedIn(curriculum)[0]?.entry).toMatchObject({ parent: null, depth: 0 });
  });

  test('stores base tasks only without expansion', () => {
    const curriculum = create({ expand: false });
    curriculum.observe([groupOf(base, [rolloutOf(base, makeHistory('a', 'b'))], 0.1)], createRng(1));
    expect(storedIn(curriculum).map(({ entry, score }) => [entry.history, score])).toEqual([[emptyHistory, 0.1]]);
  });

  test('never exceeds the capacity and never holds duplicates', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(histories, fc.nat({ max: 25 })), { maxLength: 40 }), (observations) => {
        const curriculum = create({ capacity: 5 });
        for (const [history, hundredths] of observations) {
          curriculum.observe([groupOf(base, [rolloutOf(base, deepFreeze(history))], hundredths / 100)], createRng(1));
          expect(storedIn(curriculum).length).toBeLessThanOrEqual(5);
          expect(new Set(keysIn(curriculum)).size).toBe(storedIn(curriculum).length);
        }
      }),
    );
  });
});
