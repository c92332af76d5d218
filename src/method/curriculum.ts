/** What every curriculum offers: it chooses the next start and learns from the groups that come back. */

import type { Rng } from '../rng.js';
import type { Group } from './group.js';
import type { Start } from './rollout.js';

/** JSON; what it holds is known to the curriculum that wrote it. */
export interface CurriculumState {
  readonly kind: string;
}

export interface Curriculum {
  /** The next start of the batch. The first call after an `observe` begins a new batch, and with it a new update. */
  next(rng: Rng): Start;
  /** Learns from the group of a start that `next` gave. */
  observe(group: Group, rng: Rng): void;
  /** All state as JSON; a curriculum restored from it goes on exactly as this one. */
  snapshot(): CurriculumState;
  restore(state: CurriculumState): void;
  /** `curriculum/…` and `buffer/…` of the current batch. */
  metrics(): Record<string, number>;
}
