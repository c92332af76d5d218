/** Corrections between iterations: does improving fix wrong answers more often than it breaks right ones? */

export interface Corrections {
  /** Share of chains that went wrong → right between k − 1 and k; 0 at k = 0. */
  readonly fixed: readonly number[];
  /** Share of chains that went right → wrong between k − 1 and k; 0 at k = 0. */
  readonly broken: readonly number[];
  /** Σ_k (fixed − broken). */
  readonly net: number;
}

/**
 * Net corrections at k: (wrong→right) − (right→wrong) between k − 1 and k, per chain.
 * `solved` holds one list per chain, each with one entry per k; no chains give zeros.
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
