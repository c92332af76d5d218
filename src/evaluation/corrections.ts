/** Counts corrections between iterations: wrong answers that improving fixes, and right ones that it breaks. */
import { share, sum } from '../stats.js';

export interface Corrections {
  /** Share of chains that went wrong → right between k − 1 and k; 0 at k = 0. */
  readonly fixed: readonly number[];
  /** Share of chains that went right → wrong between k − 1 and k; 0 at k = 0. */
  readonly broken: readonly number[];
  /** Σ_k fixed. */
  readonly fixedTotal: number;
  /** Σ_k broken. */
  readonly brokenTotal: number;
}

/**
 * Counts (wrong→right) and (right→wrong) between k − 1 and k as shares of the chains. `solved` holds one list per chain,
 * each with one entry per k; without chains all are empty or 0. At every k solved(k) − solved(k−1) = fixed(k) − broken(k),
 * so Σ_k (fixed − broken) says no more than solved(K) − solved(0); the two sums tell how much of it was undone.
 */
export function countCorrections(solved: readonly (readonly boolean[])[]): Corrections {
  const steps = Array.from({ length: solved[0]?.length ?? 0 }, (_, k) => k);
  const changed = (k: number, from: boolean): number =>
    k === 0 ? 0 : share(solved, (chain) => chain[k - 1] === from && chain[k] === !from);
  const fixed = steps.map((k) => changed(k, false));
  const broken = steps.map((k) => changed(k, true));
  return { fixed, broken, fixedTotal: sum(fixed), brokenTotal: sum(broken) };
}
