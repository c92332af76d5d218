import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyHistory, historyKey } from '../../src/history.js';
import type { Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import { deepFreeze, histories } from '../support/arbitraries.js';
import { create, groupOf, keysIn, makeHistory, rolloutOf, storedIn, task } from '../support/exit-curriculum.js';

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

  test('ignores a group whose members all failed', () => {
    const curriculum = create();
    curriculum.observe([groupOf(rewritten, [rolloutOf(rewritten, rewritten.history, 'failed')], 0)], createRng(1));
    expect(keysIn(curriculum)).toEqual([]);
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
