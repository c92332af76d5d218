/** From passes over the data to updates. */
import type { TaskFamily } from '../task/task.js';

interface Passes {
  readonly updates: number;
  readonly epochs?: number | undefined;
  readonly startsPerBatch: number;
}

/**
 * The config with its number of updates: ⌈epochs · tasks / P⌉ where `epochs` is given and `updates` is not. The last batch
 * of a pass goes on into the next one.
 */
export function withUpdates<Config extends Passes>(config: Config, family: Pick<TaskFamily, 'tasks'>): Config {
  const { updates, epochs, startsPerBatch } = config;
  if (updates > 0 || epochs === undefined) return config;
  return { ...config, updates: Math.ceil((epochs * family.tasks('train').length) / startsPerBatch) };
}
