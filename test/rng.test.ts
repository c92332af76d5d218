import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRng, type Rng } from '../src/rng.js';

const draws = (rng: Rng, count = 4): number[] => Array.from({ length: count }, () => rng.id());

test('golden values: every version draws the same numbers', () => {
  expect(draws(createRng(0), 3)).toEqual([3700564166343845, 2734074574069659, 1118723167266698]);
  expect(draws(createRng(42).fork('rollout', 12, 3), 3)).toEqual([
    1547837124978841, 3244401486793208, 6733558576518033,
  ]);
  expect(createRng(7).next()).toBe(0.7059380083694199);
});

describe('fork', () => {
  test('depends on identity and names, not on how much was drawn', () => {
    const [fresh, used] = [createRng(1), createRng(1)];
    draws(used, 100);
    expect(draws(used.fork('a', 1))).toEqual(draws(fresh.fork('a', 1)));
  });

  test('leaves its parent unchanged and inherits the seed', () => {
    const [forked, plain] = [createRng(1), createRng(1)];
    expect(forked.fork('a').seed).toBe(1);
    expect(draws(forked)).toEqual(draws(plain));
  });

  test('distinguishes names, ids, their types and their order', () => {
    const rng = createRng(3);
    const streams = [rng, rng.fork('a'), rng.fork('b'), rng.fork('ab'), rng.fork('a', 'b'), rng.fork('a', 1)];
    streams.push(rng.fork('a', '1'), rng.fork('a', 1, 2), rng.fork('a', 2, 1), rng.fork('a', 0.5), rng.fork(''));
    streams.push(rng.fork('a').fork('c'), rng.fork('a').fork('a'), createRng(4), createRng(-3), createRng(3 + 2 ** 32));
    const firsts = streams.map((stream) => stream.id());
    expect(new Set(firsts).size).toBe(streams.length);
  });
});

test('int stays in [0, n) for every n, and refuses anything but a positive integer', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (seed, n) => {
      const draw = createRng(seed).int(n);
      return Number.isInteger(draw) && draw >= 0 && draw < n;
    }),
  );
  for (const n of [0, -1, 1.5, Number.NaN]) expect(() => createRng(0).int(n)).toThrow(RangeError);
});

describe('next is uniform', () => {
  // χ² with 63 degrees of freedom exceeds 103 with probability 0.001; the seeds are fixed.
  const chiSquare = (values: readonly number[]): number => {
    const counts = new Array<number>(64).fill(0);
    for (const value of values) counts[Math.floor(value * 64)] = (counts[Math.floor(value * 64)] ?? 0) + 1;
    return counts.reduce((sum, count) => sum + (count - values.length / 64) ** 2 / (values.length / 64), 0);
  };

  test('within one stream', () => {
    const rng = createRng(5);
    expect(chiSquare(Array.from({ length: 64_000 }, () => rng.next()))).toBeLessThan(103);
  });

  test('across the first draws of neighbouring forks and seeds', () => {
    const root = createRng(6);
    expect(chiSquare(Array.from({ length: 32_000 }, (_, i) => root.fork('member', i).next()))).toBeLessThan(103);
    expect(chiSquare(Array.from({ length: 32_000 }, (_, i) => createRng(i).next()))).toBeLessThan(103);
  });

  test('in its lowest bits too', () => {
    const rng = createRng(8);
    expect(chiSquare(Array.from({ length: 32_000 }, () => (rng.id() % 64) / 64))).toBeLessThan(103);
  });
});
