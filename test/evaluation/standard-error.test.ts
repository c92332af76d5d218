/** Standard errors against numpy's, and properties of them on random chains. */
import { describe, expect, test } from 'vitest';
import {
  errorOverChains,
  errorOverTasks,
  standardError,
  standardErrors,
  tasksFor,
  tasksNeeded,
} from '../../src/evaluation/standard-error.js';
import { createRng } from '../../src/rng.js';
import { readGolden } from '../golden/support.js';

interface Case {
  readonly first: number[][];
  readonly last: number[][];
  readonly tasks: number;
  readonly chains: number;
  readonly bootstrap: number;
  readonly models: number;
  readonly gain: number;
}

const { cases } = readGolden<{ cases: Case[] }>('evaluation.json');

describe.each(cases.map((one, at) => [at, one] as const))('case %i of numpy', (_at, golden) => {
  test('has the clustered and the plain standard error', () => {
    expect(errorOverTasks(golden.last)).toBeCloseTo(golden.tasks, 7);
    expect(errorOverChains(golden.last)).toBeCloseTo(golden.chains, 7);
  });

  test('needs as many tasks', () => {
    expect(tasksNeeded(golden.first, golden.last)).toEqual({ models: golden.models, gain: golden.gain });
  });

  test.skipIf(golden.last.length < 10)('is near the bootstrap over tasks', () => {
    expect(Math.abs(golden.bootstrap / (errorOverTasks(golden.last) ?? NaN) - 1)).toBeLessThan(0.05);
  });
});

describe('standard errors', () => {
  test('of one chain a task are the same over tasks and over chains', () => {
    const rng = createRng(1);
    const byTask = Array.from({ length: 40 }, () => [rng.next()]);
    expect(errorOverTasks(byTask)).toBeCloseTo(errorOverChains(byTask) ?? NaN, 12);
  });

  test('over tasks do not fall when every chain is repeated; over chains they do', () => {
    const rng = createRng(2);
    const byTask = Array.from({ length: 30 }, () => [rng.next(), rng.next()]);
    const repeated = byTask.map((task) => [...task, ...task]);
    expect(errorOverTasks(repeated)).toBeCloseTo(errorOverTasks(byTask) ?? NaN, 12);
    expect(errorOverChains(repeated)).toBeLessThan(0.8 * (errorOverChains(byTask) ?? NaN));
  });

  test('ignore a task without a chain', () => {
    const byTask = [
      [1, 0],
      [0, 0],
      [1, 1],
    ];
    expect(standardError([[], ...byTask, []])).toEqual(standardError(byTask));
    expect(tasksNeeded([[], ...byTask], [[], ...byTask.map((task) => task.map((one) => 1 - one))])).toEqual(
      tasksNeeded(
        byTask,
        byTask.map((task) => task.map((one) => 1 - one)),
      ),
    );
  });

  test('are absent, never NaN, where they are unknown', () => {
    expect(standardError([[1]])).toEqual({});
    expect(standardErrors([[[1]], [[0]]])).toEqual({});
    expect(standardError([[1, 0]])).toEqual({ chains: 0.5 });
    expect(standardError([[1, 1], [1]])).toEqual({ tasks: 0, chains: 0 });
  });
});

test('equal tasks say nothing about the tasks needed', () => {
  expect(tasksFor(0)).toBeUndefined();
  expect(tasksNeeded([[1], [1]], [[1], [1]])).toEqual({});
  // 7.8489 · 0.25 · 2 / 0.0025
  expect(tasksFor(2 * 0.25)).toBe(1570);
});
