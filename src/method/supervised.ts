/** Supervised training on demonstrations: makes base checkpoints, and warms a model up to a task's format. */
import type { Policy, TrainingSequence, UpdateBatch, UpdateMetrics } from '../policy/policy.js';
import { defaultUpdate, supervisedObjective } from '../policy/settings.js';
import type { ScheduledOptimizer } from './settings.js';
import { learningRateAt, optimizerSettings } from './update-settings.js';

/** A prompt with answers to imitate; all are token ids, and an answer ends with the end token where it should end. */
export interface Demonstrated {
  readonly prompt: Int32Array;
  readonly demonstrations: readonly Int32Array[];
}

export type SupervisedSettings = ScheduledOptimizer & { readonly microbatchTokens: number };

export interface SupervisedOptions {
  readonly policy: Pick<Policy, 'update'>;
  /** One batch per update. */
  readonly batches: AsyncIterable<readonly Demonstrated[]> | Iterable<readonly Demonstrated[]>;
  readonly settings: SupervisedSettings;
  /** Training ends here, or when the batches do. */
  readonly updates: number;
  readonly onUpdate?: (update: number, metrics: UpdateMetrics) => void;
  readonly signal?: AbortSignal;
}

function supervisedBatch(examples: readonly Demonstrated[]): UpdateBatch {
  let rollout = 0;
  const sequences: TrainingSequence[] = examples.flatMap(({ demonstrations }, prompt) =>
    demonstrations.map((tokens) => ({ prompt, tokens, rollout: rollout++, advantage: 0 })),
  );
  return { prompts: examples.map(({ prompt }) => prompt), sequences };
}

/**
 * Minimises the mean negative log-likelihood of the demonstrations' tokens, one update per batch.
 * Returns the number of updates made.
 * @throws NonFiniteError when a loss or gradient is not finite, CancelledError when the signal aborts.
 */
export async function trainSupervised(options: SupervisedOptions): Promise<number> {
  const { policy, batches, settings, updates, onUpdate, signal } = options;
  const { microbatchTokens } = settings;
  const given = { ...defaultUpdate, ...optimizerSettings(settings), microbatchTokens, objective: supervisedObjective };
  let update = 0;
  if (updates < 1) return update;
  for await (const examples of batches) {
    update += 1;
    const learningRate = learningRateAt(update, updates, settings);
    const metrics = await policy.update(supervisedBatch(examples), { ...given, learningRate }, signal);
    onUpdate?.(update, { ...metrics, learning_rate: learningRate });
    if (update >= updates) break;
  }
  return update;
}
