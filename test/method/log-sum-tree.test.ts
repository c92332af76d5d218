import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogSumTree } from '../../src/method/log-sum-tree.js';
import { createRng, type Rng } from '../../src/rng.js';

/** A stream that draws one number for ever. */
const constantRng = (draw: number): Rng => ({ ...createRng(0), next: () => draw });

// The share is divided anew at each level; at its ends rounding must not carry it past the last leaf.
test('the smallest and the largest random number draw leaves that were set', () => {
  const weights = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(weights, fc.constantFrom(0, 2 ** -53, 1 - 2 ** -53, 1 - 2 ** -52), (logWeights, draw) => {
      const tree = new LogSumTree(64);
      logWeights.forEach((weight, slot) => {
        tree.set(slot, weight);
      });
      expect(tree.draw(constantRng(draw))).toBeLessThan(logWeights.length);
    }),
    { numRuns: 2000, examples: [[[0, 0, 0, 0, 1.6875658771062918, 3.101974233032934e-11], 1 - 2 ** -53]] },
  );
});

test('draws invert the cumulative distribution of the weights, slots in order', () => {
  const tree = new LogSumTree(3);
  [1, 2, 5].forEach((weight, slot) => {
    tree.set(slot, Math.log(weight));
  });
  const drawn = Array.from({ length: 8 }, (_, i) => tree.draw(constantRng((i + 0.5) / 8)));
  expect(drawn).toEqual([0, 1, 1, 2, 2, 2, 2, 2]);
});
