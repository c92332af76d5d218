/** Supervised training on demonstrations, for base checkpoints and to teach a model the format of a task. */
import type { Policy, TrainingSequence, UpdateBatch, UpdateMetrics } from '../policy/policy.js';
import { defaultUpdate, supervisedObjective } from '../policy/settings.js';
import type { ScheduledOptimizer } from './train-settings.js';
import { learningRateAt, optimizerSettings } from './update-settings.js';

/** A prompt with answers to imitate, as token ids; an answer carries its end token. */
export interface Demonstrated {
  readonly prompt: Int32Array;
  readonly demonstrations: readonly Int32Array[];
}

/** AdamW, the schedule of its learning rate, and the largest number of padded tokens in one forward pass. */
export type SupervisedSettings = ScheduledOptimizer & { readonly microbatchTokens: number };

/** The policy, the demonstrations and the settings of supervised training. */
export interface SupervisedOptions {
  readonly policy: Pick<Policy, 'update'>;
  /** One batch per update. */
  readonly batches: AsyncIterable<readonly Demonstrated[]> | Iterable<readonly Demonstrated[]>;
  readonly settings: SupervisedSettings;
  /** Updates to make; training ends earlier when the batches end. */
  readonly updates: number;
  /** Receives each update's number, from 1, and its metrics. */
  readonly onUpdate?: (update: number, metrics: UpdateMetrics) => void;
  readonly signal?: AbortSignal;
}

function toSupervisedBatch(examples: readonly Demonstrated[]): UpdateBatch {
  let rollout = 0;
  const sequences: TrainingSequence[] = examples.flatMap(({ demonstrations }, prompt) =>
    demonstrations.map((tokens) => ({ prompt, tokens, rollout: rollout++, advantage: 0 })),
  );
  return { prompts: examples.map(({ prompt }) => prompt), sequences };
}

/**
 * Minimises the mean negative log-likelihood of the demonstrations' tokens (nats per token), one update per batch.
 * Returns the number of updates made.
 * @throws InvalidRequestError for invalid settings or demonstrations, NonFiniteError when a loss or gradient is not finite,
 * CancelledError when the signal fires.
 *
 * @example
 * import { LocalPolicy, shippedModel } from 'exit-rl';
 * import { trainSupervised } from 'exit-rl/method';
 *
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * const [prompt, answer] = [Int32Array.of(3, 4), Int32Array.of(5, 6, 7)];
 * const updates = await trainSupervised({
 *   policy,
 *   batches: [[{ prompt, demonstrations: [answer] }]],
 *   settings: {
 *     learningRate: 1e-3,
 *     adamBeta1: 0.9,
 *     adamBeta2: 0.999,
 *     adamEpsilon: 1e-8,
 *     weightDecay: 0,
 *     maxGradNorm: 1,
 *     warmupUpdates: 0,
 *     schedule: 'constant',
 *     finalShare: 1,
 *     microbatchTokens: 1024,
 *   },
 *   updates: 1,
 *   onUpdate: (update, { loss }) => console.log(update, loss),
 * });
 * console.log(updates); // 1
 * await policy.close();
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
    const metrics = await policy.update(toSupervisedBatch(examples), { ...given, learningRate }, signal);
    onUpdate?.(update, { ...metrics, learning_rate: learningRate });
    if (update >= updates) break;
  }
  return update;
}
