import { describe, expect, test } from 'vitest';
import type { RunData } from '../../src/report/run-data.js';
import { linear, niceRange, rangeOf, ticks } from '../../src/report/scale.js';
import { averageLines, methodCurves, metricPoints, smooth, thin } from '../../src/report/series.js';

const points = (values: readonly number[]) => values.map((y, x) => ({ x, y }));
const ys = (line: readonly { readonly y: number }[]) => line.map(({ y }) => y);

function runOf(method: string, seed: number, rewards: readonly number[]): RunData {
  const metrics = rewards.map(
    (reward, index) =>
      new Map([['update', index + 1], ...(Number.isFinite(reward) ? [['reward', reward] as const] : [])] as [
        string,
        number,
      ][]),
  );
  return { kind: 'run', folder: '', config: {}, method, seed, metrics, evaluation: undefined };
}

describe('curves', () => {
  test('smoothing averages neighbours, fewer at the ends, and keeps gaps', () => {
    expect(ys(smooth(points([0, 3, 6, 9, 12]), 3))).toEqual([1.5, 3, 6, 9, 10.5]);
    expect(ys(smooth(points([0, 9, 0, 9, 0]), 3))).toEqual([4.5, 3, 6, 3, 4.5]);
    expect(ys(smooth(points([1, Number.NaN, 3, 5, 1]), 3))).toEqual([1, Number.NaN, 4, 3, 3]);
  });

  test('thinning averages equal stretches and keeps a stretch of gaps as a gap', () => {
    expect(thin(points([1, 3, 5, 7]), 2)).toEqual([
      { x: 0.5, y: 2 },
      { x: 2.5, y: 6 },
    ]);
    expect(ys(thin(points([Number.NaN, Number.NaN, 5, Number.NaN]), 2))).toEqual([Number.NaN, 5]);
    expect(thin(points(Array.from({ length: 1000 }, (_, index) => index)), 7).length).toBe(7);
  });

  test('the mean over seeds takes the seeds that have reached each update', () => {
    expect(averageLines([points([1, 2, 3]), points([3, 4])])).toEqual(points([2, 3, 3]));
  });

  test('a metric that a run does not have gives no curve; an update without it is a gap', () => {
    const run = runOf('exit', 1, [1, Number.NaN, 3]);
    expect(ys(metricPoints(run, 'reward'))).toEqual([1, Number.NaN, 3]);
    expect(metricPoints(run, 'kl')).toEqual([]);
    expect(methodCurves([run], 'kl')).toEqual([]);
  });

  test('the background shows the raw values of one run, or each of several seeds', () => {
    const [alone] = methodCurves([runOf('exit', 1, [1, 5, 1])], 'reward');
    expect(ys(alone?.behind[0] ?? [])).toEqual([1, 5, 1]);
    const curves = methodCurves(
      [runOf('exit', 1, [1, 1]), runOf('grpo', 1, [0, 0]), runOf('exit', 2, [3, 3])],
      'reward',
    );
    expect(curves.map(({ method }) => method)).toEqual(['grpo', 'exit']);
    expect(curves[1]?.behind.map(ys)).toEqual([
      [1, 1],
      [3, 3],
    ]);
    expect(ys(curves[1]?.mean ?? [])).toEqual([2, 2]);
  });
});

describe('axes', () => {
  test('ticks are round and inside the range', () => {
    expect(ticks({ low: 0, high: 1 }, 4)).toEqual([0, 0.5, 1]);
    expect(ticks({ low: 0.1, high: 0.42 }, 4)).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(ticks({ low: -3, high: 17 }, 4)).toEqual([0, 5, 10, 15]);
  });

  test('a range contains its values, and is valid for one value, none, or no finite one', () => {
    expect(rangeOf([3, Number.NaN, -1, Number.POSITIVE_INFINITY])).toEqual({ low: -1, high: 3 });
    expect(rangeOf([])).toEqual({ low: 0, high: 1 });
    expect(rangeOf([5])).toEqual({ low: 4.5, high: 5.5 });
    expect(rangeOf([0])).toEqual({ low: -0.5, high: 0.5 });
    const wide = niceRange({ low: 0.13, high: 0.91 }, 4);
    expect([wide.low <= 0.13, wide.high >= 0.91]).toEqual([true, true]);
  });

  test('the map to pixels is exact at both ends', () => {
    const map = linear({ low: 10, high: 20 }, 100, 0);
    expect([map(10), map(15), map(20)]).toEqual([100, 50, 0]);
  });
});
