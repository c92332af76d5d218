/** Draws slot i with probability exp(w_i) / Σ_j exp(w_j) in O(log N), changes a weight in O(log N). */
import type { Rng } from '../rng.js';

/**
 * A sum tree that holds logarithms, so that no weight overflows or vanishes at any inverse temperature. A parent is
 * always recomputed from its two children: rounding does not add up, and equal leaves give an equal tree.
 */
export class LogSumTree {
  /** Node 1 is the root, node i has the children 2i and 2i + 1, the leaves come last. */
  private readonly nodes: Float64Array;
  private readonly firstLeaf: number;

  constructor(slots: number) {
    this.firstLeaf = 2 ** Math.ceil(Math.log2(Math.max(slots, 1)));
    this.nodes = new Float64Array(2 * this.firstLeaf).fill(-Infinity);
  }

  set(slot: number, logWeight: number): void {
    let node = this.firstLeaf + slot;
    this.nodes[node] = logWeight;
    for (node >>= 1; node >= 1; node >>= 1) this.nodes[node] = logSum(this.at(2 * node), this.at(2 * node + 1));
  }

  /** A slot that was set; throws a RangeError when none was. */
  draw(rng: Rng): number {
    if (this.at(1) === -Infinity) throw new RangeError('draw: nothing to draw from');
    let node = 1;
    let share = rng.next();
    while (node < this.firstLeaf) {
      const [left, right] = [this.at(2 * node), this.at(2 * node + 1)];
      const leftShare = 1 / (1 + Math.exp(right - left));
      // Rounding can carry a share up to 1, so an empty right half is refused by itself.
      const goesLeft = share < leftShare || right === -Infinity;
      // Again uniform within the chosen half.
      share = goesLeft ? share / leftShare : (share - leftShare) / (1 - leftShare);
      node = 2 * node + (goesLeft ? 0 : 1);
    }
    return node - this.firstLeaf;
  }

  private at(node: number): number {
    return this.nodes[node] as number;
  }
}

/** log(e^a + e^b); −∞ stands for the weight 0. */
function logSum(a: number, b: number): number {
  const larger = Math.max(a, b);
  return larger === -Infinity ? larger : larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}
