/** The buffer B of Algorithm 1: scored entries, drawn by softmax(κ·S), the least learnable leaving first. */
import { LogSumTree } from './buffer/log-sum-tree.js';
import { MinimumHeap } from './buffer/minimum-heap.js';
import type { Rng } from './rng.js';

export interface BufferSettings {
  /** N. */
  readonly capacity: number;
  /** κ ≥ 0: 0 draws uniformly, large values nearly always the highest score. */
  readonly inverseTemperature: number;
}

/** What became of an insertion. */
export type Admission = 'inserted' | 'updated' | 'refused';

export interface BufferSlot<Entry> {
  readonly key: string;
  readonly entry: Entry;
  readonly score: number;
  /** Counts insertions: of two slots the one with the smaller number is older. A new score does not make it younger. */
  readonly insertion: number;
}

/** JSON, if the entries are. Slots stand in their order, on which the drawn sequence depends. */
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
   * Below capacity every entry is admitted; at capacity one that scores at least the minimum, in whose place it goes.
   * A key that is there already has its score updated and keeps its entry and age.
   */
  insert(key: string, entry: Entry, score: number): Admission {
    if (!Number.isFinite(score)) throw new RangeError(`buffer: the score of ${key} is ${score}`);
    const known = this.slotOfKey.get(key);
    if (known !== undefined) {
      this.write(known, { ...this.slot(known), score });
      return 'updated';
    }
    const target = this.size < this.capacity ? this.size : this.evict(score);
    if (target === undefined) return 'refused';
    this.write(target, { key, entry, score, insertion: this.insertions++ });
    return 'inserted';
  }

  /** Entry i with probability softmax(κ·S_i); throws a RangeError while the buffer is empty. */
  draw(rng: Rng): BufferSlot<Entry> {
    return this.slot(this.tree.draw(rng));
  }

  snapshot(): BufferState<Entry> {
    return { slots: [...this.slots], insertions: this.insertions };
  }

  /** Becomes the buffer that the snapshot was taken of: it draws and evicts the same from here on. */
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

  /** Fill and scores; the scores of an empty buffer are reported as 0. */
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
    const leaving = this.slot(minimum);
    // A tie admits the newcomer (the paper's ≥): its score was measured on the current policy.
    if (score < leaving.score) return undefined;
    this.slotOfKey.delete(leaving.key);
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

  /** Lowest score first; among equal scores the oldest. */
  private emptyHeap(): MinimumHeap {
    return new MinimumHeap((a, b) => {
      const [one, other] = [this.slot(a), this.slot(b)];
      return one.score === other.score ? one.insertion < other.insertion : one.score < other.score;
    });
  }

  private slot(at: number): BufferSlot<Entry> {
    return this.slots[at] as BufferSlot<Entry>;
  }
}
