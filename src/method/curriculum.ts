/** The interface of every curriculum, which chooses the starts of a batch and learns from their groups. */
import type { Rng } from '../rng.js';
import type { Group } from './group.js';
import type { Start } from './rollout.js';

/** A JSON snapshot; its other fields are private to the curriculum that wrote it. */
export interface CurriculumState {
  readonly kind: string;
}

/** Only `observe` and `restore` change a curriculum: a batch that is drawn but never observed leaves it unchanged. */
export interface Curriculum {
  /**
   * Draws exactly `size` starts for the next update. `drawn` holds the starts that this update has drawn before, when it refills
   * its batch. Start i of an update, counted over all its draws, uses the stream `rng.fork('start', i)`.
   */
  nextBatch(size: number, rng: Rng, drawn?: readonly Start[]): readonly Start[];
  /** Learns from the groups of an update: one per start that `nextBatch` drew for it, in the order of the draws. */
  observe(groups: readonly Group[], rng: Rng): void;
  /** Returns all state as JSON; a curriculum restored from it continues exactly as this one. */
  snapshot(): CurriculumState;
  /** @throws TaskError when the state is of another kind of curriculum. */
  restore(state: CurriculumState): void;
  /** Reports `curriculum/…` and `buffer/…` for the batch observed last. */
  metrics(): Record<string, number>;
}
