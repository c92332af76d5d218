/** The learning rate of each update. */
import type { ScheduledOptimizer } from './settings.js';

/** Share of the way from the end of warm-up to the last update, in [0, 1]. */
function progress(update: number, warmup: number, updates: number): number {
  return Math.min(1, Math.max(0, (update - warmup) / Math.max(1, updates - warmup)));
}

function decayed({ schedule, finalShare }: ScheduledOptimizer, share: number): number {
  switch (schedule) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 - (1 - finalShare) * share;
    case 'cosine':
      return finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * share));
    default:
      return schedule satisfies never;
  }
}

/**
 * Learning rate of update `update` (from 1) of `updates`: η·u/W while u ≤ W (linear warm-up over W updates),
 * then η times the schedule, which reaches `finalShare` at the last update.
 */
export function learningRateAt(update: number, updates: number, optimizer: ScheduledOptimizer): number {
  const { learningRate, warmupUpdates } = optimizer;
  if (update <= warmupUpdates) return learningRate * (update / warmupUpdates);
  return learningRate * decayed(optimizer, progress(update, warmupUpdates, updates));
}
