/** A sum tree over log-weights, from which the buffer draws. */
import type { Rng } from '../rng.js';

/**
 * Draws slot i with probability exp(w_i) / Σ_j exp(w_j) in O(log N) and changes a weight in O(log N).
 *
 * A sum tree that holds logarithms, so that no weight overflows or underflows at any inverse temperature. It recomputes
 * every parent from its two children: rounding errors do not accumulate, and equal leaves give an equal tree.
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
    for (node >>= 1; node >= 1; node >>= 1) this.sumUp(node);
  }

  /** Sets the first slots, and no other, in O(N): to the same tree as one `set` after the other. */
  setAll(logWeights: ArrayLike<number>): void {
    this.nodes.fill(-Infinity);
    this.nodes.set(logWeights, this.firstLeaf);
    for (let node = this.firstLeaf - 1; node >= 1; node--) this.sumUp(node);
  }

  /** The probability that `draw` returns the slot; 0 for one that is not set. */
  probability(slot: number): number {
    const weight = this.at(this.firstLeaf + slot);
    return weight === -Infinity ? 0 : Math.exp(weight - this.at(1));
  }

  /** Draws a slot among those set. @throws RangeError when none is. */
  draw(rng: Rng): number {
    if (this.at(1) === -Infinity) throw new RangeError('draw: nothing to draw from');
    let node = 1;
    let share = rng.next();
    while (node < this.firstLeaf) {
      const left = this.at(2 * node);
      const right = this.at(2 * node + 1);
      const leftShare = 1 / (1 + Math.exp(right - left));
      // Rounding can carry a share up to 1: the second test keeps the walk out of an empty right half.
      const goesLeft = share < leftShare || right === -Infinity;
      // Rescales the share to be uniform within the chosen half.
      share = goesLeft ? share / leftShare : (share - leftShare) / (1 - leftShare);
      node = 2 * node + (goesLeft ? 0 : 1);
    }
    return node - this.firstLeaf;
  }

  private sumUp(node: number): void {
    this.nodes[node] = logSum(this.at(2 * node), this.at(2 * node + 1));
  }

  private at(node: number): number {
    return this.nodes[node] as number;
  }
}

/** log(e^a + e^b); −∞ is the logarithm of the weight 0. */
function logSum(a: number, b: number): number {
  const larger = Math.max(a, b);
  return larger === -Infinity ? larger : larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}
