/** The interface of every curriculum: it chooses the starts of a batch and learns from their groups. */
import type { Rng } from '../rng.js';
import type { Group } from './group.js';
import type { Start } from './rollout.js';

/** JSON; only the curriculum that wrote it reads the rest. */
export interface CurriculumState {
  readonly kind: string;
}

/**
 * Only `observe` and `restore` change a curriculum: a batch that is drawn and never observed leaves it as it was.
 */
export interface Curriculum {
  /**
   * `size` starts for the next update. `drawn` holds the starts that this update has drawn already, where a refilled batch
   * asks for more of them. Start i of an update, counted over all its draws, uses the stream `rng.fork('start', i)`.
   */
  nextBatch(size: number, rng: Rng, drawn?: readonly Start[]): readonly Start[];
  /** Learns from the groups of an update: all starts that `nextBatch` gave for it, in the order of their draws. */
  observe(groups: readonly Group[], rng: Rng): void;
  /** All state as JSON; a curriculum restored from it continues exactly as this one. */
  snapshot(): CurriculumState;
  /** @throws TaskError when the state is of another kind of curriculum. */
  restore(state: CurriculumState): void;
  /** `curriculum/…` and `buffer/…` of the batch that was observed last. */
  metrics(): Record<string, number>;
}
