/** Puzzles of code breaker: a hidden code and two marked opening guesses, drawn from a seed. */
import { createRng, type Rng } from '../../rng.js';
import type { Task } from '../task.js';
import { colourCount, type Row, slotCount } from './words.js';

/** R: opening guesses of a puzzle. */
const openingCount = 2;

export interface CodeBreakerData {
  readonly code: Row;
  readonly openings: readonly Row[];
}

export type CodeBreakerTask = Task<CodeBreakerData>;

/** The splits' sizes and seeds. From a few hundred training puzzles a policy would memorise the codes. */
export const splits = {
  train: { size: 20_000, seed: 20_000 },
  test: { size: 600, seed: 40_000 },
  fresh: { size: 600 },
} as const;

/** Draws each slot's colour uniformly and independently. */
export const drawRow = (rng: Rng): Row => Array.from({ length: slotCount }, () => rng.int(colourCount));

/** Draws a code and its opening guesses. */
export function drawPuzzle(rng: Rng): CodeBreakerData {
  return { code: drawRow(rng), openings: Array.from({ length: openingCount }, () => drawRow(rng)) };
}

/** Draws `size` tasks from one seed, with ids `<name>-0`, `<name>-1`, …; the same arguments give the same tasks. */
export function drawTasks(name: string, size: number, seed: number): CodeBreakerTask[] {
  const rng = createRng(seed).fork('code-breaker');
  return Array.from({ length: size }, (_, index) => ({ id: `${name}-${index}`, data: drawPuzzle(rng) }));
}
