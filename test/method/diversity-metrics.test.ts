import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diversityMetrics, plainDiversity } from '../../src/method/diversity.js';
import { createRng } from '../../src/rng.js';

const groups = [
  { plain: [1, -1], factors: [3, 0.5] },
  { plain: [0, 2], factors: [1, 3] },
];

describe('the metrics of the diversity bonus', () => {
  test('report mean, maximum and clamped share of d, mean A·d, and d by the sign of A', () => {
    expect(diversityMetrics(groups, 3)).toEqual({
      'diversity/mean': 1.875,
      'diversity/max': 3,
      'diversity/clamped_share': 0.5,
      'diversity/advantage_mean': (3 - 0.5 + 0 + 6) / 4,
      'diversity/mean_better': 3,
      'diversity/mean_worse': 0.5,
    });
  });

  test('know a bound that float32 rounds', () => {
    const rounded = Math.fround(0.7);
    expect(rounded).toBeLessThan(0.7);
    expect(diversityMetrics([{ plain: [1, 1], factors: [rounded, 0.5] }], 0.7)['diversity/clamped_share']).toBe(0.5);
  });

  test('are absent without the bonus, and the means by sign where no answer has that sign', () => {
    expect(diversityMetrics([{}, {}], 3)).toEqual({});
    expect(Object.keys(diversityMetrics([{ plain: [0], factors: [1] }], 3))).not.toContain('diversity/mean_better');
  });
});

test('distinct vectors of unit length are all at the clamp, whatever their topic', () => {
  const rng = createRng(5);
  const gaussian = (): number => Array.from({ length: 12 }, () => rng.next()).reduce((sum, one) => sum + one, -6);
  const unit = (vector: readonly number[]): number[] => {
    const length = Math.hypot(...vector);
    return vector.map((one) => one / length);
  };
  fc.assert(
    fc.property(fc.constantFrom(0, 0.5, 2), (topic) => {
      const shared = Array.from({ length: 384 }, gaussian);
      const vectors = Array.from({ length: 8 }, () => unit(shared.map((one) => topic * one + gaussian())));
      const { 'diversity/clamped_share': clamped } = diversityMetrics(
        [{ plain: new Float64Array(8), factors: plainDiversity(vectors, { clamp: 3 }) }],
        3,
      );
      expect(clamped).toBe(1);
    }),
    { numRuns: 12 },
  );
});
