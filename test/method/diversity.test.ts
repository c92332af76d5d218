import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyDiversity, plainDiversity, splitRows } from '../../src/method/diversity.js';

describe('plainDiversity', () => {
  test('equals values worked out by hand for three points on a line', () => {
    // Centroid 1; distances 1, 1, 0 for 0, 2, 1; range 1.
    expect([...plainDiversity([[0], [2], [1]])]).toEqual([1, 1, 0]);
    // Centroid (2, 0); distances 2, 1, 3; range 2.
    expect([
      ...plainDiversity([
        [0, 0],
        [1, 0],
        [5, 0],
      ]),
    ]).toEqual([1, 0.5, 1.5]);
  });

  test('gives 1 for a zero range, which leaves the advantage unchanged', () => {
    expect([
      ...plainDiversity([
        [3, 1],
        [3, 1],
        [3, 1],
      ]),
    ]).toEqual([1, 1, 1]);
    expect([
      ...plainDiversity([
        [1, 0],
        [0, 1],
      ]),
    ]).toEqual([1, 1]);
    expect([...plainDiversity([[7]])]).toEqual([1]);
    expect([...plainDiversity([])]).toEqual([]);
  });

  test('clamps the unshifted numerator from above', () => {
    // A regular pair far from the centroid and a third member slightly nearer: a small range, a large ratio.
    const embeddings = [[10], [-10], [9.9], [-9.9]];
    expect(Math.max(...plainDiversity(embeddings, { clamp: Infinity }))).toBeCloseTo(100);
    expect([...plainDiversity(embeddings, { clamp: 3 })]).toEqual([3, 3, 3, 3]);
  });

  const points = fc.array(fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 3, maxLength: 3 }), {
    minLength: 1,
    maxLength: 9,
  });

  test('lies in [0, clamp], invariant to order, shift and scale', () => {
    fc.assert(
      fc.property(points, (embeddings) => {
        const plain = plainDiversity(embeddings);
        expect(plain.every((d) => d >= 0 && d <= 3)).toBe(true);
        const reversed = plainDiversity([...embeddings].reverse()).reverse();
        const moved = plainDiversity(
          embeddings.map((row) => row.map((value) => 2 * value)),
          { clamp: 3 },
        );
        // Spreads near the guard may fall on either side of it once doubled.
        fc.pre(!plain.every((d) => d === 1) && !reversed.every((d) => d === 1));
        for (const [i, d] of plain.entries()) {
          expect(reversed[i]).toBeCloseTo(d, 6);
          expect(moved[i]).toBeCloseTo(d, 6);
        }
      }),
    );
  });
});

test('applyDiversity multiplies, and refuses lists of different lengths', () => {
  expect([...applyDiversity([1, -2, 0], [0.5, 3, 2])]).toEqual([0.5, -6, 0]);
  expect(() => applyDiversity([1], [1, 2])).toThrow(RangeError);
});

test('splitRows returns views of a row-major matrix', () => {
  expect(splitRows(Float32Array.of(1, 2, 3, 4), 2).map((row) => [...row])).toEqual([
    [1, 2],
    [3, 4],
  ]);
});
