/** The buffer B of Algorithm 1: draws entries by priority and evicts the least learnable first. */
import type { Rng } from '../rng.js';
import { highest, lowest, mean, share } from '../stats.js';
import { LogSumTree } from './log-sum-tree.js';
import { MinimumHeap } from './minimum-heap.js';
import { logWeights, type PrioritySettings } from './priority.js';

export interface BufferSettings {
  /** N. */
  readonly capacity: number;
  readonly priority: PrioritySettings;
  /** Largest share of the capacity that the entries of one task may fill, in (0, 1]; at least one entry. */
  readonly taskShare?: number;
}

/** A score with its origin. */
export interface Score {
  /** S. */
  readonly value: number;
  /** Update that set the score, from 0. */
  readonly scoredAt: number;
  /** true: of a group that was drawn from the entry. false: inherited from the start that the entry was reached from. */
  readonly measured: boolean;
}

/** The outcome of an insertion; `kept`: the entry keeps its measured score. */
export type Admission = 'inserted' | 'updated' | 'kept' | 'refused';

export interface BufferSlot<Entry> {
  readonly key: string;
  readonly entry: Entry;
  readonly score: number;
  readonly scoredAt: number;
  readonly measured: boolean;
  /** Number of the insertion: the slot with the smaller number is older. A new score does not change it. */
  readonly insertion: number;
}

/** JSON when the entries are JSON. The drawn sequence depends on the order of the slots. */
export interface BufferState<Entry> {
  readonly slots: readonly BufferSlot<Entry>[];
  readonly insertions: number;
}

export class Buffer<Entry extends { readonly taskId: string }> {
  readonly capacity: number;
  private readonly priority: PrioritySettings;
  private readonly mostPerTask: number;
  private slots: BufferSlot<Entry>[] = [];
  private insertions = 0;
  private slotOfKey = new Map<string, number>();
  private slotsOfTask = new Map<string, Set<number>>();
  private readonly tree: LogSumTree;
  /** Whether ranks have changed; the tree is rebuilt before the next draw. */
  private isStale = false;
  private heap = this.emptyHeap();

  constructor({ capacity, priority, taskShare = 1 }: BufferSettings) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError(`buffer: capacity ${capacity}`);
    const { inverseTemperature } = priority;
    if (!(inverseTemperature >= 0 && inverseTemperature < Infinity)) {
      throw new RangeError(`buffer: inverseTemperature ${inverseTemperature}`);
    }
    if (!(taskShare > 0 && taskShare <= 1)) throw new RangeError(`buffer: taskShare ${taskShare}`);
    this.capacity = capacity;
    this.priority = priority;
    this.mostPerTask = Math.max(1, Math.floor(taskShare * capacity));
    this.tree = new LogSumTree(capacity);
  }

  get size(): number {
    return this.slots.length;
  }

  has(key: string): boolean {
    return this.slotOfKey.has(key);
  }

  /**
   * Admits every entry below capacity; at capacity one that scores at least the minimum, which it replaces. A task that
   * fills its share competes with its own entries alone. A key that the buffer holds gets the new score and keeps entry
   * and age; an inherited score does not replace a measured one.
   * @throws RangeError when the score is not finite.
   */
  insert(key: string, entry: Entry, score: Score): Admission {
    const { value, scoredAt, measured } = score;
    if (!Number.isFinite(value)) throw new RangeError(`buffer: the score of ${key} is ${value}`);
    const existing = this.slotOfKey.get(key);
    if (existing !== undefined) {
      if (this.slot(existing).measured && !measured) return 'kept';
      this.rescore(key, score);
      return 'updated';
    }
    const target = this.placeFor(entry.taskId, value);
    if (target === undefined) return 'refused';
    this.write(target, { key, entry, score: value, scoredAt, measured, insertion: this.insertions++ });
    return 'inserted';
  }

  /** Gives the entry a new score; nothing happens when the buffer no longer holds it. */
  rescore(key: string, { value, scoredAt, measured }: Score): void {
    const at = this.slotOfKey.get(key);
    if (at !== undefined) this.write(at, { ...this.slot(at), score: value, scoredAt, measured });
  }

  /** Draws an entry by its priority, in O(log N); ranks that changed are sorted once before. @throws RangeError while the buffer is empty. */
  draw(rng: Rng): BufferSlot<Entry> {
    return this.slot(this.upToDate().draw(rng));
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
    this.slotsOfTask = new Map();
    this.heap = this.emptyHeap();
    slots.forEach((slot, at) => {
      this.write(at, slot);
    });
    this.isStale = true;
    this.insertions = insertions;
  }

  /** Reports fill, tasks and scores; 0 for the scores of an empty buffer. */
  metrics(): Record<`buffer/${string}`, number> {
    const scores = this.slots.map(({ score }) => score);
    return {
      'buffer/size': this.size,
      'buffer/tasks': this.slotsOfTask.size,
      'buffer/score_mean': mean(scores),
      'buffer/score_max': scores.reduce((most, score) => Math.max(most, score), scores[0] ?? 0),
      'buffer/score_min': this.size === 0 ? 0 : lowest(scores),
      'buffer/measured_share': share(this.slots, ({ measured }) => measured),
    };
  }

  /**
   * Reports on how many entries the draws concentrate: 1/Σ p² over the entries' probabilities p, which is N when all are
   * equal; and the probability of the task that is drawn most. 0 for an empty buffer.
   */
  concentration(): { readonly effective: number; readonly topTask: number } {
    if (this.size === 0) return { effective: 0, topTask: 0 };
    const tree = this.upToDate();
    const ofTask = new Map<string, number>();
    let squares = 0;
    this.slots.forEach(({ entry: { taskId } }, at) => {
      const probability = tree.probability(at);
      squares += probability ** 2;
      ofTask.set(taskId, (ofTask.get(taskId) ?? 0) + probability);
    });
    return { effective: 1 / squares, topTask: highest([...ofTask.values()]) };
  }

  /** Rebuilds the tree after a change. Every weight follows from the slots alone, so a restored buffer has the same tree. */
  private upToDate(): LogSumTree {
    if (this.isStale) {
      const scores = this.slots.map(({ score }) => score);
      this.tree.setAll(logWeights(scores, this.priority));
      this.isStale = false;
    }
    return this.tree;
  }

  /** Finds the slot for a newcomer: a free one, or that of the minimum it may replace; undefined when it is refused. */
  private placeFor(taskId: string, score: number): number | undefined {
    const own = this.slotsOfTask.get(taskId);
    if (own !== undefined && own.size >= this.mostPerTask) return this.replace(this.lowestOf(own), score);
    return this.size < this.capacity ? this.size : this.replace(this.heap.minimum() as number, score);
  }

  /** Frees the slot for a newcomer with this score; undefined when the newcomer scores less than its entry. */
  private replace(at: number, score: number): number | undefined {
    // A tie admits the newcomer (the paper's ≥): its score was measured on the current policy.
    return score < this.slot(at).score ? undefined : at;
  }

  private lowestOf(slots: ReadonlySet<number>): number {
    return [...slots].reduce((least, at) => (this.precedes(at, least) ? at : least));
  }

  private write(at: number, slot: BufferSlot<Entry>): void {
    const replaced = this.slots[at];
    if (replaced !== undefined) this.forget(at, replaced);
    this.slots[at] = slot;
    this.slotOfKey.set(slot.key, at);
    const ofTask = this.slotsOfTask.get(slot.entry.taskId);
    if (ofTask === undefined) this.slotsOfTask.set(slot.entry.taskId, new Set([at]));
    else ofTask.add(at);
    this.reweigh(at, slot.score);
    if (replaced === undefined) this.heap.add(at);
    else this.heap.changed(at);
  }

  /** An absolute weight depends on its own score alone; a rank on all of them. */
  private reweigh(at: number, score: number): void {
    if (this.priority.kind === 'absolute') this.tree.set(at, this.priority.inverseTemperature * score);
    else this.isStale = true;
  }

  private forget(at: number, { key, entry: { taskId } }: BufferSlot<Entry>): void {
    this.slotOfKey.delete(key);
    const ofTask = this.slotsOfTask.get(taskId);
    ofTask?.delete(at);
    if (ofTask?.size === 0) this.slotsOfTask.delete(taskId);
  }

  private emptyHeap(): MinimumHeap {
    return new MinimumHeap((a, b) => this.precedes(a, b));
  }

  /** Orders the lowest score first; among equal scores the oldest. */
  private precedes(a: number, b: number): boolean {
    const left = this.slot(a);
    const right = this.slot(b);
    return left.score === right.score ? left.insertion < right.insertion : left.score < right.score;
  }

  private slot(at: number): BufferSlot<Entry> {
    return this.slots[at] as BufferSlot<Entry>;
  }
}
