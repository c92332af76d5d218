import { describe, expect, test } from 'vitest';
import { caveats, checkAcceptance } from '../../bench/lib/acceptance.js';
import type { ComparisonRow } from '../../src/evaluation/compare.js';
import { row } from '../support/comparison-row.js';

/** Base, and GRPO and ExIt on as many seeds as there are differences. */
const comparison = (gainsAtFour: readonly number[], gainAtSixteen = 0.16): ComparisonRow[] => [
  row('base', null, 0.01, 0.15, 0.22),
  ...gainsAtFour.map((_, seed) => row('grpo', seed, 0.06, 0.2, 0.32)),
  ...gainsAtFour.map((gain, seed) => row('exit', seed, 0.06, 0.2 + gain, 0.32 + gainAtSixteen)),
];

const failing = (rows: readonly ComparisonRow[]) =>
  checkAcceptance(rows)
    .checks.filter(({ holds }) => !holds)
    .map(({ claim }) => claim);

describe('acceptance', () => {
  test('holds for the table of the built-in recipe', () => {
    expect(checkAcceptance(comparison([0.168, 0.14, 0.129, 0.19, 0.15]))).toMatchObject({ accepted: true });
  });

  test('names each claim that fails', () => {
    expect(failing(comparison([0.2, 0.2, 0.2, 0.2]))).toEqual(['At least 5 seeds']);
    expect(failing(comparison([0.2, 0.2, 0.2, 0.2, -0.01]))).toEqual([
      'ExIt − GRPO at k = 4 is positive on every seed',
    ]);
    expect(failing(comparison([0.07, 0.07, 0.07, 0.07, 0.07]))).toEqual([
      'ExIt − GRPO at k = 4 is at least +8.0 points in the mean',
    ]);
    expect(failing(comparison([0.2, 0.2, 0.2, 0.2, 0.2], -0.2))).toEqual([
      'ExIt − GRPO at k = 16 is at least +8.0 points in the mean',
      'ΔK of ExIt exceeds that of GRPO',
      'ExIt solves more than the base at k = 16',
    ]);
  });

  test('does not hold for an empty comparison', () => {
    expect(checkAcceptance([]).checks.filter(({ holds }) => holds)).toEqual([]);
  });
});

test('the caveat about ablations is given only with ablations', () => {
  const rows = comparison([0.2]);
  const mentionsAblations = (list: readonly string[]) => list.some((caveat) => caveat.startsWith('Not shown here'));
  expect(mentionsAblations(caveats(rows))).toBe(false);
  expect(mentionsAblations(caveats([...rows, row('improve', 0, 0, 0, 0)]))).toBe(true);
});
