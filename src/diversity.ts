/** The diversity bonus, in plain TypeScript: the reference that the native `diversity` is compared with. */
import { defaultClamp } from './config/schema.js';

export interface DiversitySettings {
  /** Upper bound of d. The printed numerator is not shifted by the minimum, so d has none of its own. */
  readonly clamp: number;
}

/** A spread of distances below this is rounding, not diversity. */
const zeroRange = 1e-6;

/**
 * d_i = ‖e_i − c‖ / (max_j ‖e_j − c‖ − min_j ‖e_j − c‖), c = the centroid of the group's embeddings, as printed in
 * the paper. A zero range gives d_i = 1 (the advantage stays as it is); d_i is clamped from above.
 * `embeddings` holds one row per member of the group, all of one length.
 */
export function plainDiversity(
  embeddings: readonly ArrayLike<number>[],
  { clamp }: DiversitySettings = { clamp: defaultClamp },
): Float64Array {
  const centroid = centroidOf(embeddings);
  const distances = Float64Array.from(embeddings, (embedding) => distance(embedding, centroid));
  const range = Math.max(...distances) - Math.min(...distances);
  if (!(range > zeroRange)) return distances.fill(1);
  return distances.map((fromCentroid) => Math.min(fromCentroid / range, clamp));
}

/** A_i ← A_i · d_i. */
export function applyDiversity(advantages: ArrayLike<number>, diversity: ArrayLike<number>): Float64Array {
  if (advantages.length !== diversity.length) {
    throw new RangeError(`applyDiversity: ${advantages.length} advantages, ${diversity.length} distances`);
  }
  return Float64Array.from(advantages, (advantage, i) => advantage * (diversity[i] as number));
}

/** ‖a − b‖. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(squares);
}

/** The rows of a row-major matrix as views, without copying. */
export function rowsOf(flat: Float32Array, dimension: number): Float32Array[] {
  return Array.from({ length: flat.length / dimension }, (_, row) =>
    flat.subarray(row * dimension, (row + 1) * dimension),
  );
}

function centroidOf(embeddings: readonly ArrayLike<number>[]): Float64Array {
  const centroid = new Float64Array(embeddings[0]?.length ?? 0);
  for (const embedding of embeddings) {
    for (let i = 0; i < centroid.length; i++) centroid[i] = (centroid[i] as number) + (embedding[i] as number);
  }
  return centroid.map((sum) => sum / embeddings.length);
}
