import { expect, test } from 'vitest';
import { countCorrections } from '../../src/evaluation/corrections.js';

test('counts wrong → right and right → wrong between consecutive iterations', () => {
  const chains = [
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [false, false, false],
  ];
  expect(countCorrections(chains)).toEqual({ fixed: [0, 0.5, 0.25], broken: [0, 0.25, 0.25], net: 0.25 });
});

test('net corrections equal the change of the solved share', () => {
  const chains = [
    [true, true, false, true],
    [false, true, true, true],
    [false, false, true, false],
  ];
  const solved = (k: number) => chains.filter((chain) => chain[k]).length / chains.length;
  expect(countCorrections(chains).net).toBeCloseTo(solved(3) - solved(0), 12);
});

test('counts no corrections without chains', () => {
  expect(countCorrections([])).toEqual({ fixed: [], broken: [], net: 0 });
});
