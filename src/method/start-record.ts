/** What the curriculum's metrics are made of: the starts of the current batch, and the distinct starts seen so far. */
import { depth, historyKey, type Intent } from '../history.js';
import type { Start } from './rollout.js';

/** A start of the batch. Turn counts from 0; depth is the number of iterates before the one now asked for. */
interface ChosenStart {
  readonly intent: Intent;
  readonly fromBuffer: boolean;
  readonly turn: number;
  readonly depth: number;
  /** Updates since the entry was inserted. */
  readonly age: number;
}

export interface StartRecordState {
  readonly update: number;
  readonly batch: readonly ChosenStart[];
  readonly batchIsOver: boolean;
  readonly seen: readonly string[];
}

export class StartRecord {
  private update = 0;
  private batch: ChosenStart[] = [];
  private batchIsOver = false;
  private seen = new Set<string>();

  constructor(private readonly baseTasks: number) {}

  /** The update that the current batch belongs to, from 0. */
  get currentUpdate(): number {
    return this.update;
  }

  /** The first start after a group was observed begins a new batch. */
  beginStart(): void {
    if (!this.batchIsOver) return;
    this.update += 1;
    this.batch = [];
    this.batchIsOver = false;
  }

  /** `insertedAt`: the update in which the buffer's entry was inserted; absent for a base task. */
  add({ task, history, intent }: Start, insertedAt?: number): void {
    this.seen.add(historyKey(task.id, history));
    this.batch.push({
      intent,
      fromBuffer: insertedAt !== undefined,
      turn: Math.max(0, history.turns.length - 1),
      depth: depth(history),
      age: this.update - (insertedAt ?? this.update),
    });
  }

  endBatch(): void {
    this.batchIsOver = true;
  }

  /** Depth, recency and turn are means over the starts that came from the buffer, 0 when none did. */
  metrics(): Record<`curriculum/${string}`, number> {
    const replayed = this.batch.filter(({ fromBuffer }) => fromBuffer);
    return {
      'curriculum/depth': mean(replayed.map((start) => start.depth)),
      'curriculum/recency': mean(replayed.map((start) => start.age)),
      'curriculum/turn': mean(replayed.map((start) => start.turn)),
      'curriculum/share_attempt': this.shareOf('attempt'),
      'curriculum/share_improve': this.shareOf('improve'),
      'curriculum/share_diverge': this.shareOf('diverge'),
      'curriculum/distinct_starts': this.seen.size,
      'curriculum/distinct_ratio': this.seen.size / this.baseTasks,
    };
  }

  snapshot(): StartRecordState {
    const { update, batch, batchIsOver, seen } = this;
    return { update, batch: [...batch], batchIsOver, seen: [...seen] };
  }

  restore({ update, batch, batchIsOver, seen }: StartRecordState): void {
    this.update = update;
    this.batch = [...batch];
    this.batchIsOver = batchIsOver;
    this.seen = new Set(seen);
  }

  private shareOf(intent: Intent): number {
    return mean(this.batch.map((start) => (start.intent === intent ? 1 : 0)));
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
