import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchAdvantages, groupAdvantages } from '../../src/method/advantage.js';

const rewards = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 16 });
const settings = fc.record({
  baseline: fc.constantFrom('std' as const, 'mean' as const),
  std: fc.constantFrom('population' as const, 'sample' as const),
  epsilon: fc.constantFrom(0, 1e-8, 1e-4),
});

describe('groupAdvantages', () => {
  test('equals values worked out by hand: population, sample, mean', () => {
    const group = [0, 0, 1, 1];
    const close = (values: readonly number[]): unknown => values.map((value) => expect.closeTo(value, 12));
    expect([...groupAdvantages(group, { epsilon: 0 })]).toEqual(close([-1, -1, 1, 1]));
    const sample = Math.sqrt(3 / 4);
    expect([...groupAdvantages(group, { std: 'sample', epsilon: 0 })]).toEqual(
      close([-sample, -sample, sample, sample]),
    );
    expect([...groupAdvantages(group, { baseline: 'mean' })]).toEqual([-0.5, -0.5, 0.5, 0.5]);
    expect([...groupAdvantages([0, 1])]).toEqual(close([-0.5 / 0.5001, 0.5 / 0.5001]));
  });

  test('equal rewards and a group of 1 carry no signal', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 1, max: 9 }),
        settings,
        (reward, size, how) =>
          groupAdvantages(new Array<number>(size).fill(reward), how).every((advantage) => advantage === 0),
      ),
    );
    expect(groupAdvantages([])).toHaveLength(0);
  });

  test('is finite and keeps the order of the rewards', () => {
    fc.assert(
      fc.property(rewards, settings, (group, how) => {
        const advantages = [...groupAdvantages(group, how)];
        expect(advantages.every(Number.isFinite)).toBe(true);
        const byReward = advantages.map((advantage, i) => [group[i] as number, advantage] as const);
        byReward.sort(([reward], [other]) => reward - other);
        const sorted = byReward.map(([, advantage]) => advantage);
        expect(sorted).toEqual([...sorted].sort((a, b) => a - b));
      }),
    );
  });

  test('sums to zero, with standard deviation 1 where no epsilon is added', () => {
    const fractions = fc.array(fc.nat({ max: 16 }), { minLength: 2, maxLength: 16 });
    fc.assert(
      fc.property(fractions, settings, (sixteenths, how) => {
        fc.pre(new Set(sixteenths).size > 1);
        const group = sixteenths.map((value) => value / 16);
        const advantages = [...groupAdvantages(group, how)];
        expect(advantages.reduce((sum, advantage) => sum + advantage, 0)).toBeCloseTo(0, 12);
        const scaled = [...groupAdvantages(group, { std: how.std, epsilon: 0 })];
        const squares = scaled.reduce((sum, advantage) => sum + advantage ** 2, 0);
        expect(squares).toBeCloseTo(how.std === 'sample' ? group.length - 1 : group.length, 10);
      }),
    );
  });

  test('refuses an infinite reward', () => {
    for (const bad of [Infinity, -Infinity]) expect(() => groupAdvantages([0, bad])).toThrow(RangeError);
  });
});

describe('a group of one, and unknown rewards', () => {
  test("take the reward as the advantage with groupOfOne: 'reward', as verl's mean 0 and deviation 1", () => {
    expect([...groupAdvantages([0.7], { groupOfOne: 'reward', epsilon: 1e-6 })]).toEqual([0.7 / (1 + 1e-6)]);
    expect([...groupAdvantages([0.7], { groupOfOne: 'reward', baseline: 'mean' })]).toEqual([0.7]);
    expect([...groupAdvantages([0.7])]).toEqual([0]);
  });

  test('leave an unknown reward out of the baseline and give it advantage 0', () => {
    const known = groupAdvantages([0, 1, 1], { std: 'sample' });
    expect([...groupAdvantages([0, Number.NaN, 1, 1], { std: 'sample' })]).toEqual([known[0], 0, known[1], known[2]]);
    expect([...groupAdvantages([Number.NaN, Number.NaN])]).toEqual([0, 0]);
    expect(() => groupAdvantages([0, Number.POSITIVE_INFINITY])).toThrow(RangeError);
  });
});

test('leave-one-out compares each reward with the mean of the others', () => {
  const group = [0.25, 1, 0.5];
  const expected = [0.25 - 0.75, 1 - 0.375, 0.5 - 0.625];
  groupAdvantages(group, { baseline: 'leave-one-out' }).forEach((advantage, at) => {
    expect(advantage).toBeCloseTo(expected[at] as number, 12);
  });
});

test('stdOver: batch divides all groups by one deviation', () => {
  const [first, second] = batchAdvantages(
    [
      [0, 1],
      [4, 4, 4],
    ],
    { stdOver: 'batch', epsilon: 0 },
  ) as [Float64Array, Float64Array];
  const rewards = [0, 1, 4, 4, 4];
  const mean = 2.6;
  const deviation = Math.sqrt(rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / 5);
  expect(first[1]).toBeCloseTo(0.5 / deviation, 12);
  expect([...second]).toEqual([0, 0, 0]);
});
