/** What a run needs beside its model: the task family and the reward functions, both checked before a model loads. */
import type { RunConfig } from '../config.js';
import type { NamedReward } from '../reward/named.js';
import type { TaskFamily } from '../task/task.js';

export interface RunParts {
  readonly family: TaskFamily;
  /** Empty where the config names a built-in reward only. */
  readonly rewards: readonly NamedReward[];
  /** Ends the threads of reward functions and of the verifier. */
  close(): Promise<void>;
}

/** @throws ConfigError, or DataError when a data file cannot be read as rows. */
export async function openParts(config: RunConfig): Promise<RunParts> {
  const [{ findFamily }, { loadRewards }] = await Promise.all([import('./tasks.js'), import('../reward/load.js')]);
  const { functions: rewards, close } = await loadRewards(config.rewards);
  try {
    const family = await findFamily(config.task, { ...config, freshSeed: config.seed });
    return { family, rewards, close: async () => void (await Promise.all([close(), family.close?.()])) };
  } catch (error) {
    await close();
    throw error;
  }
}
