/** Values for the report's tests: evaluations, rows, folders on disk. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pc from 'picocolors';
import { afterAll } from 'vitest';
import type { ComparisonRow } from '../../src/evaluation/compare.js';
import type { Evaluation } from '../../src/evaluation/evaluation.js';

export const fixture = path.join(import.meta.dirname, '../fixtures/report/comparison');
export const plain = pc.createColors(false);
export const coloured = pc.createColors(true);

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const totalsOf = (gains: readonly number[]) => ({
  fixedTotal: sumOf(gains.map((value) => Math.max(0, value))),
  brokenTotal: sumOf(gains.map((value) => Math.max(0, -value))),
});

/** An evaluation at k = 0, 1, … with these shares solved. */
export function evaluationOf(solved: readonly number[]): Evaluation {
  const k = solved.map((_, index) => index);
  const gains = solved.map((share, index) => share - (solved[index - 1] ?? share));
  const gain = (solved.at(-1) ?? 0) - (solved[0] ?? 0);
  return {
    k,
    quality: solved.map((share) => 0.5 + share / 2),
    solved,
    fixed: gains.map((value) => Math.max(0, value)),
    broken: gains.map((value) => Math.max(0, -value)),
    deltaQuality: gain / 2,
    deltaSolved: gain,
    ...totalsOf(gains),
    tasks: 100,
    draws: 2,
    seconds: 1.5,
  };
}

export function rowOf(method: string, seed: number | null, solved: readonly number[]): ComparisonRow {
  const trained = method !== 'base';
  const evaluation = evaluationOf(solved);
  return {
    method,
    seed,
    updates: trained ? 20 : 0,
    trainSeconds: trained ? 50 + (seed ?? 0) : 0,
    evaluation,
    run: null,
  };
}

const temporary: string[] = [];
afterAll(() => Promise.all(temporary.map((folder) => rm(folder, { recursive: true, force: true }))));

/** Creates an empty folder that is removed after the tests of the file. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'exit-rl-report-'));
  temporary.push(folder);
  return folder;
}

/** Copies the fixture, so that a test may damage it. */
export async function copyOfFixture(): Promise<string> {
  const folder = await emptyFolder();
  await cp(fixture, folder, { recursive: true });
  return folder;
}
