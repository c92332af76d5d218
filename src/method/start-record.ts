/** Metrics of a curriculum: of the starts of the last batch, and of the distinct starts of the whole run. */
import { depth, historyKey, type Intent } from '../history.js';
import { mean } from '../stats.js';
import type { Group } from './group.js';

/** A start of the batch. `turn` counts from 0; `depth` counts the iterates before the requested one. */
interface ChosenStart {
  readonly intent: Intent;
  readonly fromBuffer: boolean;
  readonly turn: number;
  readonly depth: number;
  /** Updates since the buffer took the entry; 0 for a base task. */
  readonly age: number;
  /** Updates since the entry got its score; 0 for a base task. */
  readonly scoreAge: number;
  /** The score with which the entry was drawn; absent for a base task. */
  readonly storedScore?: number;
  /** The score that its group measured; absent while it is unknown. */
  readonly measuredScore?: number;
}

export interface StartRecordState {
  /** Observed batches. */
  readonly update: number;
  readonly batch: readonly ChosenStart[];
  readonly seen: readonly string[];
}

export class StartRecord {
  private update = 0;
  private batch: readonly ChosenStart[] = [];
  private seen = new Set<string>();

  constructor(private readonly baseTasks: number) {}

  /** The update that the next batch belongs to, from 0: the number of batches observed. */
  get currentUpdate(): number {
    return this.update;
  }

  /** Records the starts of the batch and ends its update. */
  observe(groups: readonly Group[]): void {
    for (const { task, history } of groups.map(({ start }) => start)) this.seen.add(historyKey(task.id, history));
    this.batch = groups.map((group) => this.describe(group));
    this.update += 1;
  }

  private describe({ start: { history, intent, origin }, score }: Group): ChosenStart {
    return {
      intent,
      fromBuffer: origin !== undefined,
      turn: Math.max(0, history.turns.length - 1),
      depth: depth(history),
      age: this.update - (origin?.insertedAt ?? this.update),
      scoreAge: this.update - (origin?.scoredAt ?? this.update),
      ...(origin && { storedScore: origin.score }),
      ...(!Number.isNaN(score) && { measuredScore: score }),
    };
  }

  /**
   * Reports depth, turn, ages and scores as means over the starts drawn from the buffer; 0 when there are none. The measured
   * score is the mean over those that got one, absent when none of them did.
   */
  metrics(): Record<`curriculum/${string}`, number> {
    const replayed = this.batch.filter(({ fromBuffer }) => fromBuffer);
    const measured = replayed.flatMap(({ measuredScore }) => measuredScore ?? []);
    const isUnknown = replayed.length > 0 && measured.length === 0;
    return {
      'curriculum/depth': mean(replayed.map((start) => start.depth)),
      'curriculum/recency': mean(replayed.map((start) => start.age)),
      'curriculum/score_age': mean(replayed.map((start) => start.scoreAge)),
      'curriculum/score_stored': mean(replayed.map(({ storedScore = 0 }) => storedScore)),
      ...(!isUnknown && { 'curriculum/score_measured': mean(measured) }),
      'curriculum/turn': mean(replayed.map((start) => start.turn)),
      'curriculum/share_attempt': this.intentShare('attempt'),
      'curriculum/share_improve': this.intentShare('improve'),
      'curriculum/share_diverge': this.intentShare('diverge'),
      'curriculum/distinct_starts': this.seen.size,
      'curriculum/distinct_ratio': this.seen.size / this.baseTasks,
    };
  }

  snapshot(): StartRecordState {
    const { update, batch, seen } = this;
    return { update, batch, seen: [...seen] };
  }

  restore({ update, batch, seen }: StartRecordState): void {
    this.update = update;
    this.batch = batch;
    this.seen = new Set(seen);
  }

  private intentShare(intent: Intent): number {
    return mean(this.batch.map((start) => (start.intent === intent ? 1 : 0)));
  }
}
