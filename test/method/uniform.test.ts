import { describe, expect, test } from 'vitest';
import { emptyHistory } from '../../src/history.js';
import type { Group } from '../../src/method/group.js';
import { createUniformCurriculum } from '../../src/method/uniform.js';
import { createRng } from '../../src/rng.js';
import { ladderTasks } from '../support/ladder.js';

const group = {} as Group;

describe('the uniform curriculum', () => {
  test('draws attempts at base tasks uniformly, whatever it observed', () => {
    const curriculum = createUniformCurriculum({ tasks: ladderTasks });
    const rng = createRng(2);
    const counts = new Map(ladderTasks.map(({ id }) => [id, 0]));
    for (let i = 0; i < 4000; i++) {
      const { task, history, intent } = curriculum.next(rng);
      expect([history, intent]).toEqual([emptyHistory, 'attempt']);
      counts.set(task.id, (counts.get(task.id) ?? 0) + 1);
      if (i % 4 === 3) curriculum.observe(group, rng);
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

  test('goes on exactly from its snapshot, and refuses another’s', () => {
    const original = createUniformCurriculum({ tasks: ladderTasks });
    for (let i = 0; i < 5; i++) original.next(createRng(i));
    const restored = createUniformCurriculum({ tasks: ladderTasks });
    restored.restore(JSON.parse(JSON.stringify(original.snapshot())));
    expect(restored.next(createRng(9))).toEqual(original.next(createRng(9)));
    expect(restored.metrics()).toEqual(original.metrics());
    expect(() => restored.restore({ kind: 'exit' })).toThrow(/exit/);
  });
});
