/** Which optimizer step of an epoch each rollout of a batch belongs to. */
import type { Rng } from '../rng.js';
import type { TrainSettings } from './settings.js';

/**
 * The step of every rollout, in the order of groups and members; undefined when one step takes all. Whole groups are
 * dealt out, in equal blocks of them as they come or shuffled; where there are fewer groups than steps, rollouts are.
 */
export function miniBatchSteps(
  sizes: readonly number[],
  {
    miniBatches = 1,
    miniBatchOrder = 'fixed',
  }: Partial<Pick<TrainSettings['objective'], 'miniBatches' | 'miniBatchOrder'>>,
  rng: Rng,
): number[] | undefined {
  if (miniBatches <= 1) return undefined;
  const units = sizes.length >= miniBatches ? sizes : sizes.flatMap((size) => new Array<number>(size).fill(1));
  const order = units.map((_, at) => at);
  if (miniBatchOrder === 'shuffled') shuffle(order, rng);
  const stepOf = new Map(order.map((unit, place) => [unit, Math.floor((place * miniBatches) / units.length)]));
  return units.flatMap((size, unit) => new Array<number>(size).fill(stepOf.get(unit) ?? 0));
}

/** Fisher and Yates, in place. */
function shuffle(values: number[], rng: Rng): void {
  for (let last = values.length - 1; last > 0; last--) {
    const other = rng.int(last + 1);
    [values[last], values[other]] = [values[other] as number, values[last] as number];
  }
}
