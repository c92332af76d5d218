import { describe, expect, test } from 'vitest';
import { countCorrections } from '../../src/evaluation/corrections.js';
import { createRng } from '../../src/rng.js';

test('counts wrong → right and right → wrong between consecutive iterations', () => {
  const chains = [
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [false, false, false],
  ];
  expect(countCorrections(chains)).toEqual({
    ...{ fixed: [0, 0.5, 0.25], broken: [0, 0.25, 0.25] },
    ...{ fixedTotal: 0.75, brokenTotal: 0.5 },
  });
});

describe('of random chains', () => {
  const rng = createRng(20261128);
  const cases = Array.from({ length: 50 }, (_, seed) => {
    const { length, chains, bias } = { length: 1 + (seed % 17), chains: 1 + seed, bias: (seed % 5) / 4 };
    const one = rng.fork('case', seed);
    return Array.from({ length: chains }, () => Array.from({ length }, () => one.next() < bias));
  });
  const solvedAt = (chains: readonly boolean[][], k: number): number =>
    chains.filter((chain) => chain[k]).length / chains.length;

  test('fixed − broken is the change of the solved share at every k, and their sums that over all', () => {
    for (const chains of cases) {
      const { fixed, broken, fixedTotal, brokenTotal } = countCorrections(chains);
      const last = fixed.length - 1;
      for (let k = 1; k <= last; k++) {
        const change = solvedAt(chains, k) - solvedAt(chains, k - 1);
        expect((fixed[k] ?? NaN) - (broken[k] ?? NaN)).toBeCloseTo(change, 12);
      }
      expect(fixedTotal - brokenTotal).toBeCloseTo(solvedAt(chains, last) - solvedAt(chains, 0), 12);
    }
  });

  test('without a change nothing is fixed or broken, and with changes only the sums tell', () => {
    const steady = countCorrections([[true, true, true]]);
    const restless = countCorrections([[true, false, true]]);
    expect([steady.fixedTotal, steady.brokenTotal]).toEqual([0, 0]);
    expect([restless.fixedTotal, restless.brokenTotal]).toEqual([1, 1]);
  });
});

test('counts no corrections without chains', () => {
  expect(countCorrections([])).toEqual({ fixed: [], broken: [], fixedTotal: 0, brokenTotal: 0 });
});
