import { describe, expect, test } from 'vitest';
import { clock, compact, count, fixed, percent, signed, whole } from '../../src/report/format.js';

describe('numbers as people read them', () => {
  test.each([
    [fixed(0.5, 2), '0.50'],
    [fixed(-0.04, 1), '0.0'],
    [signed(-1.25, 1), '−1.3'],
    [signed(3, 1), '+3.0'],
    [percent(0.0625), '6.3'],
    [compact(21345), '21.3k'],
    [compact(0.00001234), '1.2e−5'],
    [compact(0), '0'],
    [compact(-42.345), '−42.3'],
    [whole(1234567), '1,234,567'],
    [whole(-1200), '−1,200'],
    [clock(42), '0:42'],
    [clock(3729), '1:02:09'],
    [clock(59.9), '1:00'],
    [count(1, 'seed'), '1 seed'],
    [count(20000, 'task'), '20,000 tasks'],
  ])('%s is %s', (text, expected) => {
    expect(text).toBe(expected);
  });

  test.each([
    fixed(Number.NaN, 1),
    signed(undefined, 1),
    percent(undefined),
    compact(Infinity),
    whole(NaN),
    clock(NaN),
  ])('an unknown value is a dash', (text) => {
    expect(text).toBe('–');
  });
});
