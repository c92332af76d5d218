/** What a training run needs to know. `src/config.ts` reads it from files and flags and fills in the defaults. */

import type { EmbedderSettings } from '../embedder/open.js';
import type { EntropyControl, GrpoObjective, OptimizerSettings, Sampling } from '../policy/policy.js';
import type { BatchAdvantageSettings } from './advantage.js';
import type { TaskOrder } from './base-tasks.js';
import type { MethodName } from './methods.js';

/** The objective but for what the run decides elsewhere, and how a batch is cut into optimizer steps. */
export interface TrainObjective extends Omit<GrpoObjective, 'kind' | 'temperature' | 'entropyControl'> {
  /** Absent, or not adaptive: the weight of the entropy bonus is constant. */
  readonly entropyControl?: EntropyControl & { readonly adaptive: boolean };
  /** Optimizer steps that each epoch cuts the batch into; 1 when absent. */
  readonly miniBatches?: number;
  /** Whether groups are dealt to them as they come (the default) or shuffled, seeded. */
  readonly miniBatchOrder?: 'fixed' | 'shuffled';
}

export type Schedule = 'constant' | 'linear' | 'cosine';

/** Linear warm-up to `learningRate`, then `schedule` down to `finalShare` of it at the last update. */
export interface ScheduledOptimizer extends OptimizerSettings {
  readonly warmupUpdates: number;
  /** Share of all updates that warm up; used where `warmupUpdates` is 0. */
  readonly warmupRatio?: number;
  readonly schedule: Schedule;
  /** Share of the learning rate that is left at the last update; `constant` does not use it. */
  readonly finalShare: number;
  /** `zero` counts as transformers' schedulers do: the first update of a warm-up has rate 0. By default `one`. */
  readonly countFrom?: 'zero' | 'one';
}

export interface DiversitySettings extends EmbedderSettings {
  /** Upper clamp of d, which the printed formula leaves unbounded. */
  readonly clamp: number;
}

export interface BufferSettings {
  readonly capacity: number;
  /** B_min: replay begins at this size. */
  readonly minimumFill: number;
  /** κ of softmax(κ·S). */
  readonly inverseTemperature: number;
}

export interface ReferenceSettings {
  /** M: updates between blends; 0 never blends. Only with β > 0. */
  readonly blendEvery: number;
  /** α of θ_ref ← (1 − α) θ_ref + α θ. */
  readonly alpha: number;
}

export interface CheckpointSettings {
  /** Updates between checkpoints; 0 keeps only the one at the end. */
  readonly every: number;
  /** Verified checkpoints kept; never below two. */
  readonly keep: number;
  /** Training goes on while a checkpoint is written, at the price of a copy of the training state in host memory. */
  readonly asynchronous: boolean;
}

export interface BestSettings {
  /** Metric of the evaluations that chooses the best checkpoint; absent keeps none beyond the newest. */
  readonly metric?: string | undefined;
  /** By default false for a metric that ends in `loss`, else true. */
  readonly greaterIsBetter?: boolean | undefined;
  /** Evaluations in a row without a gain after which training stops; 0 never stops. */
  readonly patience: number;
  /** A gain is larger than this. */
  readonly threshold: number;
}

/** Which rollouts are written to traces.jsonl: none, one group per update, or all. */
export type Traces = 'none' | 'sample' | 'all';

/**
 * What becomes of groups whose rewards are all equal: `off` trains on them (their advantages are 0), `skip` leaves them out
 * with the same gradient, `refill` draws further starts in their place.
 */
export type DynamicSampling = 'off' | 'skip' | 'refill';

export interface TrainSettings {
  readonly method: MethodName;
  readonly seed: number;
  readonly updates: number;
  /** How base tasks are drawn: `uniform`, or in passes over all of them. */
  readonly taskOrder: TaskOrder;
  /** P: starts per batch. */
  readonly startsPerBatch: number;
  /** G: rollouts per start. */
  readonly groupSize: number;
  readonly sampling: Sampling;
  readonly dynamicSampling: DynamicSampling;
  /** Starts drawn at most per update when refilling. */
  readonly maximumDraws: number;
  readonly objective: TrainObjective;
  readonly optimizer: ScheduledOptimizer;
  readonly advantage: BatchAdvantageSettings;
  readonly diversity: DiversitySettings;
  readonly buffer: BufferSettings;
  /** p: probability that a start comes from the buffer. */
  readonly replayProbability: number;
  /** p_div: share of replayed starts with the intent `diverge`. */
  readonly divergeProbability: number;
  readonly reference: ReferenceSettings;
  /** A completion without terminator gets zero gradient. */
  readonly overlongFilter: boolean;
  readonly microbatchTokens: number;
  readonly gradientCheckpointing?: boolean;
  readonly logitsBytes?: number;
  readonly checkpoint: CheckpointSettings;
  readonly best: BestSettings;
  readonly traces: Traces;
  /** Writes metrics to a TensorBoard event file as well. */
  readonly tensorboard?: boolean;
}
