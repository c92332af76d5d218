/** A heap of slots that finds them again when their contents change. */

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
