/** From passes over the data to updates. */
import type { TaskFamily } from '../task/task.js';

interface Passes {
  readonly updates: number;
  readonly passes?: number | undefined;
  readonly startsPerBatch: number;
}

/**
 * The config with its number of updates: ⌈passes · tasks / P⌉ where `passes` is given and `updates` is not. The last batch
 * of a pass goes on into the next one.
 */
export function withUpdates<Config extends Passes>(config: Config, family: Pick<TaskFamily, 'tasks'>): Config {
  const { updates, passes, startsPerBatch } = config;
  if (updates > 0 || passes === undefined) return config;
  return { ...config, updates: Math.ceil((passes * family.tasks('train').length) / startsPerBatch) };
}
