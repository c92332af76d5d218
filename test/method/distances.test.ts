import { expect, test } from 'vitest';
import { startDistances } from '../../src/method/diversity.js';

test('mean pairwise distances equal values worked out by hand', () => {
  // (1,0), (0,1), (2,0): L2 √2, 1, √5; cosine distance 1, 0, 1.
  const distances = startDistances(Float32Array.of(1, 0, 0, 1, 2, 0), 2);
  expect(distances['curriculum/pairwise_l2']).toBeCloseTo((Math.SQRT2 + 1 + Math.sqrt(5)) / 3, 6);
  expect(distances['curriculum/pairwise_cosine']).toBeCloseTo(2 / 3, 6);
});

test('the distance is 0 for fewer than two starts; a zero vector has no direction', () => {
  const nothing = { 'curriculum/pairwise_l2': 0, 'curriculum/pairwise_cosine': 0 };
  expect(startDistances(new Float32Array(0), 4)).toEqual(nothing);
  expect(startDistances(Float32Array.of(1, 2), 2)).toEqual(nothing);
  expect(startDistances(new Float32Array(4), 2)).toEqual(nothing);
  expect(startDistances(Float32Array.of(0, 0, 3, 4), 2)).toEqual({
    'curriculum/pairwise_l2': 5,
    'curriculum/pairwise_cosine': 1,
  });
});
