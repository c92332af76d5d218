/** How far apart the starts of a batch lie: the paper's measure of how much of the task space is trained on. */
import { distance, rowsOf } from '../diversity.js';

export interface StartDistances {
  readonly 'curriculum/pairwise_l2': number;
  readonly 'curriculum/pairwise_cosine': number;
}

/**
 * Mean ‖a − b‖ and mean 1 − cos(a, b) over all pairs of a batch's embedded starts (row-major [starts, dimension]);
 * 0 for fewer than two starts. An embedding of length zero is orthogonal to every other and equal to another of
 * length zero.
 */
export function startDistances(embeddings: Float32Array, dimension: number): StartDistances {
  const rows = rowsOf(embeddings, dimension);
  const pairs = rows.flatMap((row, i) => rows.slice(i + 1).map((other) => [row, other] as const));
  return {
    'curriculum/pairwise_l2': mean(pairs.map(([a, b]) => distance(a, b))),
    'curriculum/pairwise_cosine': mean(pairs.map(([a, b]) => cosineDistance(a, b))),
  };
}

function cosineDistance(a: Float32Array, b: Float32Array): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  if (lengths > 0) return 1 - dot(a, b) / lengths;
  return distance(a, b) === 0 ? 0 : 1;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
