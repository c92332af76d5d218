import fc from 'fast-check';
import { expect, test } from 'vitest';
import { highest, lowest, mean, populationVariance, sampleStd, share, sum } from '../src/stats.js';

test('of no values the mean, the spreads and the share are 0', () => {
  expect([sum([]), mean([]), populationVariance([]), sampleStd([]), sampleStd([3])]).toEqual([0, 0, 0, 0, 0]);
  expect(share([], () => true)).toBe(0);
  expect([highest([]), lowest([])]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
});

test('the sample deviation divides by n − 1, the population variance by n', () => {
  expect(sampleStd([1, 2, 3, 4])).toBeCloseTo(Math.sqrt(5 / 3), 12);
  expect(populationVariance([1, 2, 3, 4])).toBe(1.25);
});

test('the variance is that of the expanded form, and no value lies outside of lowest and highest', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1 }), (values) => {
      const expanded = mean(values.map((value) => value * value)) - mean(values) ** 2;
      expect(populationVariance(values)).toBeCloseTo(expanded, 5);
      expect(values.every((value) => value >= lowest(values) && value <= highest(values))).toBe(true);
    }),
  );
});
