/** Converts the metrics of runs to the lines of a plot: smoothing, thinning, means over seeds. */

import { orderMethods } from './method-order.js';
import type { RunData } from './run-data.js';
import { spread } from './statistics.js';

/** One position of a curve; a `y` that is not finite is a gap. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A metric of all runs of one method. */
export interface MethodCurve {
  readonly method: string;
  /** The smoothed mean over seeds. */
  readonly mean: readonly Point[];
  /** Background lines: the raw values of a single run, or the smoothed values of each seed. */
  readonly behind: readonly (readonly Point[])[];
}

/** Reads `metric` by update; an update without it is a gap. A metric that no line has gives no points. */
export function metricPoints(run: RunData, metric: string): Point[] {
  const points = run.metrics.map((line) => ({
    x: line.get('update') ?? Number.NaN,
    y: line.get(metric) ?? Number.NaN,
  }));
  return points.some(({ y }) => Number.isFinite(y)) ? points : [];
}

/** Averages the finite `y` of points `from` (included) to `to` (excluded); NaN where there are none. */
function meanBetween(points: readonly Point[], from: number, to: number): number {
  let sum = 0;
  let known = 0;
  for (let index = from; index < to; index++) {
    const y = points[index]?.y ?? Number.NaN;
    if (!Number.isFinite(y)) continue;
    sum += y;
    known += 1;
  }
  return sum / known;
}

/**
 * Averages equal stretches of points to at most `limit` points, each at the middle of its stretch, so that the page of a
 * long run stays small. A mean ignores gaps; a stretch of gaps only remains a gap.
 */
export function thin(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  return Array.from({ length: limit }, (_, index) => {
    const from = Math.round((index * points.length) / limit);
    const to = Math.round(((index + 1) * points.length) / limit);
    const middle = ((points[from]?.x ?? Number.NaN) + (points[to - 1]?.x ?? Number.NaN)) / 2;
    return { x: middle, y: meanBetween(points, from, to) };
  });
}

/**
 * Computes the centred moving mean over `width` points (odd), with a shorter window at the ends. Gaps remain gaps and
 * do not count in their neighbours' means.
 */
export function smooth(points: readonly Point[], width: number): Point[] {
  const half = Math.floor(width / 2);
  return points.map(({ x, y }, index) => {
    const from = Math.max(0, index - half);
    const to = Math.min(points.length, index + half + 1);
    return { x, y: Number.isFinite(y) ? meanBetween(points, from, to) : y };
  });
}

/** Averages several lines of points at each position, over the lines that have it. */
export function averageLines(lines: readonly (readonly Point[])[]): Point[] {
  const byX = new Map<number, number[]>();
  for (const { x, y } of lines.flat()) {
    const values = byX.get(x) ?? [];
    values.push(y);
    byX.set(x, values);
  }
  return [...byX].sort(([one], [other]) => one - other).map(([x, values]) => ({ x, y: spread(values).mean }));
}

// A plot is about 300 pixels wide, so more positions are not visible. There are many seeds, so each has fewer.
const positions = 150;
const seedPositions = 75;
// Enough for a smooth curve, and cheap for a run of any length.
const smoothedPositions = 600;
const smoothingShare = 0.06;

/** Returns a window of about 6 % of the curve, odd, at least 1. */
const smoothingWindow = (points: readonly Point[]) => 2 * Math.floor((smoothingShare * points.length) / 2) + 1;

/** Samples every n-th measured point, about `2 · positions` of them, for the raw values of a single run. */
function sample(points: readonly Point[]): Point[] {
  const step = Math.ceil(points.length / (2 * positions));
  return points.filter((_, index) => index % step === 0);
}

/** Options of a curve. */
export interface CurveOptions {
  /** Joins the updates that have the metric: for one that is measured now and then only. */
  readonly joined?: boolean;
}

function buildCurve(method: string, runs: readonly RunData[], metric: string, joined: boolean): MethodCurve {
  const every = runs.map((run) => metricPoints(run, metric)).filter((points) => points.length > 0);
  const raw = joined ? every.map((points) => points.filter(({ y }) => Number.isFinite(y))) : every;
  const smoothed = raw.map((points) => {
    const thinned = thin(points, smoothedPositions);
    return thin(smooth(thinned, smoothingWindow(thinned)), positions);
  });
  const behind = raw.length === 1 ? raw.map(sample) : smoothed.map((points) => thin(points, seedPositions));
  return { method, mean: averageLines(smoothed), behind };
}

/** Builds the curve of `metric` for each method that recorded it. */
export function methodCurves(
  runs: readonly RunData[],
  metric: string,
  { joined = false }: CurveOptions = {},
): MethodCurve[] {
  return orderMethods(runs.map((run) => run.method))
    .map((method) =>
      buildCurve(
        method,
        runs.filter((run) => run.method === method),
        metric,
        joined,
      ),
    )
    .filter(({ mean }) => mean.length > 0);
}
