import fc from 'fast-check';
import { expect, test } from 'vitest';
import { miniBatchSteps } from '../../src/method/batch.js';
import { createRng } from '../../src/rng.js';

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 });
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

test('one step takes the whole batch', () => {
  expect(miniBatchSteps([2, 3], {}, createRng(1))).toBeUndefined();
  expect(miniBatchSteps([2, 3], { miniBatches: 1 }, createRng(1))).toBeUndefined();
});

test('fixed order deals out equal blocks of whole groups', () => {
  expect(miniBatchSteps([2, 2, 2, 2], { miniBatches: 2 }, createRng(1))).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  expect(miniBatchSteps([4], { miniBatches: 2 }, createRng(1))).toEqual([0, 0, 1, 1]);
});

test('every step gets an equal share of groups, or of rollouts with fewer groups than steps', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 2, max: 6 }),
      fc.constantFrom('fixed' as const, 'shuffled' as const),
      (groups, miniBatches, miniBatchOrder) => {
        fc.pre(total(groups) >= miniBatches);
        const steps = miniBatchSteps(groups, { miniBatches, miniBatchOrder }, createRng(3)) as number[];
        expect(steps).toHaveLength(total(groups));
        expect(new Set(steps).size).toBe(miniBatches);
        const whole = groups.length >= miniBatches;
        let first = 0;
        const counts = new Array<number>(miniBatches).fill(0);
        for (const size of whole ? groups : steps.map(() => 1)) {
          const own = new Set(steps.slice(first, first + size));
          expect(own.size).toBe(1);
          counts[[...own][0] as number] = (counts[[...own][0] as number] ?? 0) + 1;
          first += size;
        }
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test('the seed decides the shuffled order', () => {
  const groups = new Array<number>(24).fill(1);
  const deal = (seed: number) =>
    miniBatchSteps(groups, { miniBatches: 4, miniBatchOrder: 'shuffled' }, createRng(seed));
  expect(deal(1)).toEqual(deal(1));
  expect(deal(1)).not.toEqual(deal(2));
  expect(deal(1)).not.toEqual(miniBatchSteps(groups, { miniBatches: 4 }, createRng(1)));
});
