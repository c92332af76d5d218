import { describe, expect, test } from 'vitest';
import { differences, solvedAt, summarise } from '../../src/evaluation/compare.js';
import { row } from '../support/comparison-row.js';

describe('summarise', () => {
  test('equals values worked out by hand', () => {
    // Mean 4, squares 4 + 0 + 4, s² = 4; t(0.975, 2) = 4.303.
    const summary = summarise([2, 4, 6]);
    expect(summary).toMatchObject({ count: 3, mean: 4, deviation: 2 });
    expect(summary.halfWidth).toBeCloseTo((4.303 * 2) / Math.sqrt(3), 10);
  });

  test('gives NaN as the spread of one value', () => {
    expect(summarise([3])).toEqual({ count: 1, mean: 3, deviation: NaN, halfWidth: NaN });
  });
});

describe('differences', () => {
  test('pair the seeds that both methods have run', () => {
    const rows = [
      row('grpo', 1, 0, 0.25, 0),
      row('grpo', 2, 0, 0.5, 0),
      row('exit', 2, 0, 0.75, 0),
      row('exit', 3, 0, 1, 0),
    ];
    const found = differences(rows, 'exit', 'grpo', solvedAt(4));
    expect(found.perSeed).toEqual([{ seed: 2, difference: 0.25 }]);
    expect(found.summary.mean).toBe(0.25);
  });
});
