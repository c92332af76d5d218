/** The one schema of a run and the one place of its defaults (TRL's and the paper's, where they name one). */
import { z } from 'zod';
import { rewardKinds } from '../reward.js';
import { methodNames } from '../trainer/methods.js';

const count = z.int().min(1);
const countOrZero = z.int().min(0);
const share = z.number().min(0).max(1);
const positive = z.number().positive();
const notNegative = z.number().min(0);

const sampling = z.strictObject({
  temperature: notNegative.default(1),
  maxNewTokens: count.default(256),
  topK: countOrZero.default(0),
  topP: z.number().gt(0).max(1).default(1),
  minP: share.default(0),
  stopTokenIds: z.array(countOrZero).default([]),
});

const objective = z.strictObject({
  clipEpsilonLow: share.default(0.2),
  /** By default as `clipEpsilonLow`. */
  clipEpsilonHigh: positive.optional(),
  beta: notNegative.default(0),
  normalisation: z.enum(['sequence-mean', 'token-mean', 'constant']).default('sequence-mean'),
  epochs: count.default(1),
  /** By default as `sampling.maxNewTokens`. */
  maxCompletionLength: count.optional(),
  useRolloutLogprobs: z.boolean().default(false),
});

const optimizer = z.strictObject({
  learningRate: positive.default(1e-6),
  adamBeta1: z.number().min(0).lt(1).default(0.9),
  adamBeta2: z.number().min(0).lt(1).default(0.999),
  adamEpsilon: positive.default(1e-8),
  weightDecay: notNegative.default(0),
  maxGradNorm: notNegative.default(1),
  warmupUpdates: countOrZero.default(0),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  finalShare: share.default(0),
});

const advantage = z.strictObject({
  baseline: z.enum(['std', 'mean']).default('std'),
  std: z.enum(['population', 'sample']).default('population'),
  epsilon: notNegative.default(1e-4),
});

const ngram = z.strictObject({
  dimension: count.default(1024),
  unit: z.enum(['word', 'character']).default('word'),
  minimumLength: count.default(1),
  maximumLength: count.default(2),
});

const diversity = z.strictObject({ clamp: positive.default(3), ngram: ngram.prefault({}) });

const buffer = z.strictObject({
  capacity: count.default(512),
  minimumFill: countOrZero.default(128),
  inverseTemperature: notNegative.default(80),
});

const reference = z.strictObject({ blendEvery: countOrZero.default(100), alpha: share.default(1) });
const checkpoint = z.strictObject({ every: countOrZero.default(100), keep: z.int().min(2).default(2) });

const evaluation = z.strictObject({
  iterations: countOrZero.default(16),
  draws: count.default(4),
  split: z.string().min(1).default('test'),
  /** Updates between evaluations while training; 0 leaves them to `exit-rl evaluate`. */
  every: countOrZero.default(0),
});

// Checks between keys run even where other keys are wrong: all problems are reported at once.
const always = (): boolean => true;

export const runSchema = z
  .strictObject({
    /** The recipe that this config starts from; its own keys go before the recipe's. */
    recipe: z.string().min(1).optional(),
    /** A task family's name, or the path of a module whose default export is one. */
    task: z.string().min(1),
    /** A Hugging Face model folder. */
    model: z.string().min(1),
    method: z.enum(methodNames).default('exit'),
    seed: z.int().min(0).default(0),
    updates: count.default(200),
    startsPerBatch: count.default(16),
    groupSize: count.default(8),
    sampling: sampling.prefault({}),
    objective: objective.prefault({}),
    optimizer: optimizer.prefault({}),
    reward: z.enum(rewardKinds).default('quality'),
    advantage: advantage.prefault({}),
    diversity: diversity.prefault({}),
    buffer: buffer.prefault({}),
    replayProbability: share.default(0.5),
    divergeProbability: share.default(0.2),
    reference: reference.prefault({}),
    overlongFilter: z.boolean().default(true),
    device: z
      .string()
      .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'must be auto, cpu, cuda or cuda:N')
      .default('auto'),
    dtype: z.enum(['auto', 'float32', 'bfloat16']).default('auto'),
    /** CPU threads of the engine; 0 takes all cores. */
    threads: countOrZero.default(0),
    microbatchTokens: count.default(16384),
    checkpoint: checkpoint.prefault({}),
    evaluation: evaluation.prefault({}),
    traces: z.enum(['none', 'sample', 'all']).default('sample'),
  })
  .refine((run) => !(run.buffer?.minimumFill > run.buffer?.capacity), {
    path: ['buffer', 'minimumFill'],
    error: 'must not exceed buffer.capacity, or replay never begins',
    when: always,
  })
  .refine((run) => !(run.diversity?.ngram?.minimumLength > run.diversity?.ngram?.maximumLength), {
    path: ['diversity', 'ngram', 'minimumLength'],
    error: 'must not exceed diversity.ngram.maximumLength',
    when: always,
  })
  .transform((run) => ({
    ...run,
    objective: {
      ...run.objective,
      clipEpsilonHigh: run.objective.clipEpsilonHigh ?? run.objective.clipEpsilonLow,
      maxCompletionLength: run.objective.maxCompletionLength ?? run.sampling.maxNewTokens,
    },
  }));

/** What a user may write: every key but `task` and `model` has a default. */
export type RunConfigInput = z.input<typeof runSchema>;

/** A complete run: nothing is left open. */
export type RunConfig = z.output<typeof runSchema>;
