import { describe, expect, test } from 'vitest';
import { emptyHistory, type History, historyKey } from '../../src/history.js';
import type { Curriculum } from '../../src/method/curriculum.js';
import type { ExitCurriculumOptions, ExitCurriculumState } from '../../src/method/exit.js';
import type { Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import { create, groupOf, makeHistory, rolloutOf, runUpdates, stateOf, task } from '../support/exit-curriculum.js';
import { ladderTasks } from '../support/ladder.js';

describe('nextBatch', () => {
  /** A curriculum with one history in its buffer. */
  function holding(history: History, options: Partial<ExitCurriculumOptions> = {}): Curriculum {
    const curriculum = create({ minimumFill: 1, replayProbability: 1, ...options });
    const state = stateOf(curriculum);
    const slot = {
      key: historyKey(task.id, history),
      entry: { taskId: task.id, history, insertedAt: 0, parent: null, depth: 1 },
      score: 0.1,
      scoredAt: 0,
      measured: false,
      insertion: 0,
    };
    curriculum.restore({ ...state, buffer: { slots: [slot], insertions: 1 } } as ExitCurriculumState);
    return curriculum;
  }
  const drawMany = (curriculum: Curriculum, count: number): Start[] => {
    return [...curriculum.nextBatch(count, createRng(5))];
  };
  /** Four standard deviations of a share estimated from `count` draws. */
  const tolerance = (share: number, count: number): number => 4 * Math.sqrt((share * (1 - share)) / count);

  test('draws base tasks uniformly until the buffer has its minimum fill', () => {
    const starts = drawMany(holding(makeHistory('a'), { minimumFill: 2 }), 4000);
    expect(starts.every(({ intent, history }) => intent === 'attempt' && history === emptyHistory)).toBe(true);
    const counts = ladderTasks.map(({ id }) => starts.filter((start) => start.task.id === id).length);
    // χ² with 19 degrees of freedom: 43.8 at 0.1 %.
    expect(counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)).toBeLessThan(43.8);
  });

  test('replays with probability p from the minimum fill on, and diverges with p_div', () => {
    const starts = drawMany(holding(makeHistory('a'), { replayProbability: 0.5, divergeProbability: 0.2 }), 4000);
    const share = (intent: string): number => starts.filter((start) => start.intent === intent).length / 4000;
    for (const [intent, expected] of [
      ['attempt', 0.5],
      ['improve', 0.4],
      ['diverge', 0.1],
    ] as const) {
      expect(Math.abs(share(intent) - expected)).toBeLessThan(tolerance(expected, 4000));
    }
  });

  test('does not draw from an empty buffer with a minimum fill of 0', () => {
    expect(create({ minimumFill: 0, replayProbability: 1 }).nextBatch(1, createRng(1))[0]?.intent).toBe('attempt');
  });

  test('selects a uniform turn prefix, then a uniform iterate of that turn', () => {
    const history = makeHistory('ab', 'cde', 'f');
    const starts = drawMany(holding(history), 12_000);
    const shares = new Map<string, number>();
    for (const start of starts) {
      const key = start.history.turns.map(({ iterates }) => iterates.map(({ text }) => text).join('')).join('|');
      shares.set(key, (shares.get(key) ?? 0) + 1 / 12_000);
    }
    const expected = { a: 1 / 6, ab: 1 / 6, 'ab|c': 1 / 9, 'ab|cd': 1 / 9, 'ab|cde': 1 / 9, 'ab|cde|f': 1 / 3 };
    expect([...shares.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [key, share] of Object.entries(expected)) {
      expect(Math.abs((shares.get(key) ?? 0) - share)).toBeLessThan(tolerance(share, 12_000));
    }
    expect(starts.every((start) => start.task === task)).toBe(true);
  });

  test('replays attempts without expansion', async () => {
    const curriculum = create({ expand: false, minimumFill: 1, replayProbability: 1 });
    await runUpdates(curriculum, 3);
    const starts = drawMany(curriculum, 50);
    expect(starts.every(({ intent, history }) => intent === 'attempt' && history.turns.length === 0)).toBe(true);
    expect(starts.every(({ origin }) => origin !== undefined)).toBe(true);
  });

  test('draws the same starts in one call or several, and changes no state', async () => {
    const curriculum = create({ replayProbability: 0.5, order: { order: 'shuffled', seed: 3 } });
    await runUpdates(curriculum, 6);
    const before = JSON.stringify(curriculum.snapshot());
    const rng = createRng(7);
    const whole = curriculum.nextBatch(12, rng);
    const first = curriculum.nextBatch(5, rng);
    expect([...first, ...curriculum.nextBatch(7, rng, first)]).toEqual(whole);
    expect(new Set(whole.map(({ origin }) => origin === undefined)).size).toBe(2);
    expect(JSON.stringify(curriculum.snapshot())).toBe(before);
  });
});

describe('metrics', () => {
  /** Observes one group of the start that the curriculum draws next. */
  function observeNext(curriculum: Curriculum, history: History, kind: 'finished' | 'malformed', seed: number): Start {
    const [start] = curriculum.nextBatch(1, createRng(seed)) as [Start];
    curriculum.observe([groupOf(start, [rolloutOf(start, history, kind)], 0.1)], createRng(1));
    return start;
  }

  test('report depth, recency, turn, intents and distinct starts of the last batch', () => {
    const curriculum = create({ minimumFill: 1, replayProbability: 1, divergeProbability: 0 });
    observeNext(curriculum, makeHistory('a'), 'finished', 1);
    expect(curriculum.metrics()).toMatchObject({
      'curriculum/depth': 0,
      'curriculum/recency': 0,
      'curriculum/turn': 0,
      'curriculum/share_attempt': 1,
      'curriculum/distinct_starts': 1,
      'curriculum/distinct_ratio': 1 / 20,
      'buffer/size': 1,
    });
    for (let update = 1; update <= 3; update++) {
      expect(observeNext(curriculum, makeHistory('a'), 'malformed', update).intent).toBe('improve');
      expect(curriculum.metrics()).toMatchObject({
        'curriculum/depth': 1,
        'curriculum/recency': update,
        'curriculum/turn': 0,
        'curriculum/share_improve': 1,
        'curriculum/share_attempt': 0,
        'curriculum/distinct_starts': 2,
      });
    }
  });

  test('compare the stored scores with the measured ones, which are absent while none is known', () => {
    const curriculum = create({ minimumFill: 1, replayProbability: 1 });
    observeNext(curriculum, makeHistory('a'), 'finished', 1);
    expect(curriculum.metrics()).toMatchObject({ 'curriculum/score_stored': 0, 'curriculum/score_measured': 0 });
    for (const score of [Number.NaN, 0.2]) {
      const [start] = curriculum.nextBatch(1, createRng(2)) as [Start];
      curriculum.observe([groupOf(start, [rolloutOf(start, makeHistory('ab'), 'malformed')], score)], createRng(1));
      const { 'curriculum/score_stored': stored, 'curriculum/score_measured': measured } = curriculum.metrics();
      expect([stored, measured]).toEqual([0.1, Number.isNaN(score) ? undefined : score]);
    }
  });

  test('cover only the batch observed last', async () => {
    const curriculum = create({ minimumFill: 1000, capacity: 1000 });
    await runUpdates(curriculum, 5, { startsPerBatch: 3 });
    expect(stateOf(curriculum).record).toMatchObject({ update: 5, batch: { length: 3 } });
  });
});

test('refuses a split without tasks, or with two tasks of one id', () => {
  expect(() => create({ tasks: [] })).toThrow(/at least one task/);
  expect(() => create({ tasks: [task, { ...task }] })).toThrow(/share an id/);
});
