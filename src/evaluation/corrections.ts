/** Counts corrections between iterations: wrong answers that improving fixes, and right ones that it breaks. */

export interface Corrections {
  /** Share of chains that went wrong → right between k − 1 and k; 0 at k = 0. */
  readonly fixed: readonly number[];
  /** Share of chains that went right → wrong between k − 1 and k; 0 at k = 0. */
  readonly broken: readonly number[];
  /** Σ_k (fixed − broken). */
  readonly net: number;
}

/**
 * Counts corrections: (wrong→right) and (right→wrong) between k − 1 and k as shares of the chains, and net the sum of their
 * differences. `solved` holds one list per chain, each with one entry per k; without chains all are empty or 0.
 */
export function countCorrections(solved: readonly (readonly boolean[])[]): Corrections {
  const steps = Array.from({ length: solved[0]?.length ?? 0 }, (_, k) => k);
  const share = (k: number, from: boolean): number =>
    k === 0 ? 0 : solved.filter((chain) => chain[k - 1] === from && chain[k] === !from).length / solved.length;
  const fixed = steps.map((k) => share(k, false));
  const broken = steps.map((k) => share(k, true));
  const net = steps.reduce((sum, k) => sum + (fixed[k] ?? 0) - (broken[k] ?? 0), 0);
  return { fixed, broken, net };
}
