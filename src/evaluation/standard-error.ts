/**
 * Standard errors of means over chains, and the number of tasks that a difference needs, as in Miller, "Adding Error Bars
 * to Evals" (arXiv 2411.00640).
 */
import { mean, sampleStd, sum } from '../stats.js';
import type { StandardError, TasksNeeded } from './evaluation.js';

/** The values of a measure: one list per task, one value per chain. */
export type ByTask = readonly (readonly number[])[];

/**
 * The standard error of the mean over all values, clustered by task. With x̄ that mean and N values in T tasks:
 *
 *     √( T / (T − 1) · Σ_t ( Σ_i (x_ti − x̄) )² ) / N
 *
 * For equally many values per task it is the sample standard deviation of the tasks' means over √T. Undefined for fewer
 * than two tasks.
 */
export function errorOverTasks(byTask: ByTask): number | undefined {
  const known = byTask.filter((values) => values.length > 0);
  if (known.length < 2) return undefined;
  const values = known.flat();
  const centre = mean(values);
  const squares = known.map((task) => sum(task.map((value) => value - centre)) ** 2);
  return Math.sqrt((known.length / (known.length - 1)) * sum(squares)) / values.length;
}

/** The sample standard deviation of N independent values over √N; undefined for fewer than two. */
export function errorOverChains(byTask: ByTask): number | undefined {
  const values = byTask.flat();
  return values.length < 2 ? undefined : sampleStd(values) / Math.sqrt(values.length);
}

const isKnown = (value: number | undefined): value is number => value !== undefined;

/** Both standard errors of one mean. */
export function standardError(byTask: ByTask): StandardError<number> {
  const tasks = errorOverTasks(byTask);
  const chains = errorOverChains(byTask);
  return { ...(isKnown(tasks) && { tasks }), ...(isKnown(chains) && { chains }) };
}

/** Both standard errors of several means over the same chains, as lists. */
export function standardErrors(measures: readonly ByTask[]): StandardError<readonly number[]> {
  const tasks = measures.map(errorOverTasks).filter(isKnown);
  const chains = measures.map(errorOverChains).filter(isKnown);
  return { ...(tasks.length > 0 && { tasks }), ...(chains.length > 0 && { chains }) };
}

/** Normal quantiles z(0.975) + z(0.8): two-sided 5 %, power 80 %. */
const detectable = 1.959963984540054 + 0.8416212335729143;

/** The difference in question: 5 points. */
export const difference = 0.05;

/**
 * Computes n = (z_{1−α/2} + z_{1−β})² · variance / difference², rounded up, for α = 5 % and a power 1 − β of 80 %;
 * undefined when the variance is 0: the measured tasks then tell nothing about others.
 */
export function tasksFor(variance: number): number | undefined {
  // Equal means may differ by a rounding.
  if (!(variance > 1e-12)) return undefined;
  return Math.ceil((detectable ** 2 * variance) / difference ** 2);
}

/** Computes the tasks needed from the solved shares at 0 and at K. */
export function tasksNeeded(first: ByTask, last: ByTask): TasksNeeded {
  const means = (byTask: ByTask): number[] => byTask.filter((values) => values.length > 0).map(mean);
  const before = means(first);
  const after = means(last);
  const gains = after.map((value, task) => value - (before[task] ?? 0));
  // The variances of two independent means add; the variance of a gain is that of the differences.
  const models = tasksFor(2 * sampleStd(after) ** 2);
  const gain = tasksFor(sampleStd(gains) ** 2);
  return { ...(isKnown(models) && { models }), ...(isKnown(gain) && { gain }) };
}
