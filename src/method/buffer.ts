/** The buffer B of Algorithm 1: draws entries by softmax(κ·S) and evicts the least learnable first. */
import type { Rng } from '../rng.js';

export interface BufferSettings {
  /** N. */
  readonly capacity: number;
  /** κ ≥ 0: 0 draws uniformly, large values nearly always the highest score. */
  readonly inverseTemperature: number;
}

/** The outcome of an insertion. */
export type Admission = 'inserted' | 'updated' | 'refused';

export interface BufferSlot<Entry> {
  readonly key: string;
  readonly entry: Entry;
  readonly score: number;
  /** Number of the insertion: the slot with the smaller number is older. A new score does not change it. */
  readonly insertion: number;
}

/** JSON when the entries are JSON. The drawn sequence depends on the order of the slots. */
export interface BufferState<Entry> {
  readonly slots: readonly BufferSlot<Entry>[];
  readonly insertions: number;
}

export class Buffer<Entry> {
  readonly capacity: number;
  private readonly inverseTemperature: number;
  private slots: BufferSlot<Entry>[] = [];
  private insertions = 0;
  private slotOfKey = new Map<string, number>();
  private tree: LogSumTree;
  private heap = this.emptyHeap();

  constructor({ capacity, inverseTemperature }: BufferSettings) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError(`buffer: capacity ${capacity}`);
    if (!(inverseTemperature >= 0 && inverseTemperature < Infinity)) {
      throw new RangeError(`buffer: inverseTemperature ${inverseTemperature}`);
    }
    this.capacity = capacity;
    this.inverseTemperature = inverseTemperature;
    this.tree = new LogSumTree(capacity);
  }

  get size(): number {
    return this.slots.length;
  }

  has(key: string): boolean {
    return this.slotOfKey.has(key);
  }

  /**
   * Admits every entry below capacity; at capacity one that scores at least the minimum, which it replaces. For a key
   * that the buffer holds it updates the score and keeps entry and age.
   * @throws RangeError when the score is not finite.
   */
  insert(key: string, entry: Entry, score: number): Admission {
    if (!Number.isFinite(score)) throw new RangeError(`buffer: the score of ${key} is ${score}`);
    const existing = this.slotOfKey.get(key);
    if (existing !== undefined) {
      this.write(existing, { ...this.slot(existing), score });
      return 'updated';
    }
    const target = this.size < this.capacity ? this.size : this.evict(score);
    if (target === undefined) return 'refused';
    this.write(target, { key, entry, score, insertion: this.insertions++ });
    return 'inserted';
  }

  /** Draws entry i with probability softmax(κ·S_i). @throws RangeError while the buffer is empty. */
  draw(rng: Rng): BufferSlot<Entry> {
    return this.slot(this.tree.draw(rng));
  }

  snapshot(): BufferState<Entry> {
    return { slots: [...this.slots], insertions: this.insertions };
  }

  /**
   * Restores a snapshot: from here on the buffer draws and evicts exactly as the original.
   * @throws RangeError when the snapshot exceeds the capacity.
   */
  restore({ slots, insertions }: BufferState<Entry>): void {
    if (slots.length > this.capacity) {
      throw new RangeError(`buffer: a snapshot of ${slots.length} entries exceeds the capacity ${this.capacity}`);
    }
    this.slots = [];
    this.slotOfKey = new Map();
    this.tree = new LogSumTree(this.capacity);
    this.heap = this.emptyHeap();
    slots.forEach((slot, at) => {
      this.write(at, slot);
    });
    this.insertions = insertions;
  }

  /** Reports fill and scores; 0 for the scores of an empty buffer. */
  metrics(): Record<`buffer/${string}`, number> {
    const scores = this.slots.map(({ score }) => score);
    const total = scores.reduce((sum, score) => sum + score, 0);
    return {
      'buffer/size': this.size,
      'buffer/score_mean': this.size === 0 ? 0 : total / this.size,
      'buffer/score_max': scores.reduce((most, score) => Math.max(most, score), scores[0] ?? 0),
      'buffer/score_min': scores.reduce((least, score) => Math.min(least, score), scores[0] ?? 0),
    };
  }

  /** Frees the slot of the minimum for a newcomer with this score; undefined when the newcomer scores less. */
  private evict(score: number): number | undefined {
    const minimum = this.heap.minimum() as number;
    const lowest = this.slot(minimum);
    // A tie admits the newcomer (the paper's ≥): its score was measured on the current policy.
    if (score < lowest.score) return undefined;
    this.slotOfKey.delete(lowest.key);
    return minimum;
  }

  private write(at: number, slot: BufferSlot<Entry>): void {
    const isNew = at === this.slots.length;
    this.slots[at] = slot;
    this.slotOfKey.set(slot.key, at);
    this.tree.set(at, this.inverseTemperature * slot.score);
    if (isNew) this.heap.add(at);
    else this.heap.changed(at);
  }

  /** Orders the lowest score first; among equal scores the oldest. */
  private emptyHeap(): MinimumHeap {
    return new MinimumHeap((a, b) => {
      const left = this.slot(a);
      const right = this.slot(b);
      return left.score === right.score ? left.insertion < right.insertion : left.score < right.score;
    });
  }

  private slot(at: number): BufferSlot<Entry> {
    return this.slots[at] as BufferSlot<Entry>;
  }
}

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
    for (node >>= 1; node >= 1; node >>= 1) this.nodes[node] = logSum(this.at(2 * node), this.at(2 * node + 1));
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

  private at(node: number): number {
    return this.nodes[node] as number;
  }
}

/** log(e^a + e^b); −∞ is the logarithm of the weight 0. */
function logSum(a: number, b: number): number {
  const larger = Math.max(a, b);
  return larger === -Infinity ? larger : larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}

/** Keeps the first slot of an order while the contents of slots change, in O(log N) per change. */
export class MinimumHeap {
  /** Slots in heap order, and for each slot its place there. */
  private readonly heap: number[] = [];
  private readonly places: number[] = [];

  /** `precedes` must be a strict total order of the slots' present contents. */
  constructor(private readonly precedes: (slot: number, other: number) => boolean) {}

  add(slot: number): void {
    this.put(slot, this.heap.length);
    this.rise(slot);
  }

  /** Restores the order after the contents of `slot` have changed. */
  changed(slot: number): void {
    this.rise(slot);
    this.sink(slot);
  }

  /** Returns the slot that precedes all others; undefined while the heap is empty. */
  minimum(): number | undefined {
    return this.heap[0];
  }

  private rise(slot: number): void {
    for (let place = this.placeOf(slot); place > 0; place = this.placeOf(slot)) {
      const parent = this.heap[(place - 1) >> 1] as number;
      if (!this.precedes(slot, parent)) return;
      this.swap(slot, parent);
    }
  }

  private sink(slot: number): void {
    for (let child = this.firstChild(slot); child !== undefined; child = this.firstChild(slot)) {
      if (!this.precedes(child, slot)) return;
      this.swap(slot, child);
    }
  }

  /** Returns the child that precedes the other. */
  private firstChild(slot: number): number | undefined {
    const place = 2 * this.placeOf(slot) + 1;
    const left = this.heap[place];
    const right = this.heap[place + 1];
    return left !== undefined && right !== undefined && this.precedes(right, left) ? right : left;
  }

  private swap(slot: number, other: number): void {
    const place = this.placeOf(slot);
    this.put(slot, this.placeOf(other));
    this.put(other, place);
  }

  private put(slot: number, place: number): void {
    this.heap[place] = slot;
    this.places[slot] = place;
  }

  private placeOf(slot: number): number {
    return this.places[slot] as number;
  }
}
