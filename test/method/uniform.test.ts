import { describe, expect, test } from 'vitest';
import { emptyHistory } from '../../src/history.js';
import type { Group } from '../../src/method/group.js';
import type { Start } from '../../src/method/rollout.js';
import { createUniformCurriculum } from '../../src/method/uniform.js';
import { createRng } from '../../src/rng.js';
import { ladderTasks } from '../support/ladder.js';

/** As far as this curriculum reads groups. */
const groupsOf = (starts: readonly Start[]): Group[] => starts.map((start) => ({ start }) as Group);

describe('the uniform curriculum', () => {
  test('draws attempts at base tasks uniformly, whatever it observes', () => {
    const curriculum = createUniformCurriculum({ tasks: ladderTasks });
    const counts = new Map(ladderTasks.map(({ id }) => [id, 0]));
    for (let update = 0; update < 1000; update++) {
      const starts = curriculum.nextBatch(4, createRng(2).fork('update', update));
      for (const { task, history, intent } of starts) {
        expect([history, intent]).toEqual([emptyHistory, 'attempt']);
        counts.set(task.id, (counts.get(task.id) ?? 0) + 1);
      }
      curriculum.observe(groupsOf(starts), createRng(2));
    }
    // χ² with 19 degrees of freedom: 43.8 at 0.1 %.
    expect([...counts.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)).toBeLessThan(43.8);
    expect(curriculum.metrics()).toMatchObject({
      'curriculum/share_attempt': 1,
      'curriculum/share_improve': 0,
      'curriculum/depth': 0,
      'curriculum/distinct_starts': 20,
      'curriculum/distinct_ratio': 1,
    });
  });

  test('continues exactly from its snapshot, and refuses that of another kind', () => {
    const original = createUniformCurriculum({ tasks: ladderTasks });
    for (let i = 0; i < 5; i++) original.observe(groupsOf(original.nextBatch(3, createRng(i))), createRng(i));
    const restored = createUniformCurriculum({ tasks: ladderTasks });
    restored.restore(JSON.parse(JSON.stringify(original.snapshot())));
    expect(restored.nextBatch(4, createRng(9))).toEqual(original.nextBatch(4, createRng(9)));
    expect(restored.metrics()).toEqual(original.metrics());
    expect(() => restored.restore({ kind: 'exit' })).toThrow(/exit/);
  });

  test.each(['shuffled', 'sequential'] as const)(
    '%s: a pass holds every task once, whatever the batch size',
    (order) => {
      const curriculum = createUniformCurriculum({ tasks: ladderTasks, order: { order, seed: 4 } });
      const drawn: string[] = [];
      for (let update = 0; update < 8; update++) {
        const rng = createRng(update);
        const first = curriculum.nextBatch(3, rng);
        const starts = [...first, ...curriculum.nextBatch(2, rng, first)];
        drawn.push(...starts.map(({ task }) => task.id));
        curriculum.observe(groupsOf(starts), rng);
      }
      expect(drawn.length).toBe(2 * ladderTasks.length);
      expect(new Set(drawn.slice(0, ladderTasks.length)).size).toBe(ladderTasks.length);
      expect(new Set(drawn.slice(ladderTasks.length)).size).toBe(ladderTasks.length);
    },
  );
});
