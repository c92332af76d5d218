/**
 * The schema of a policy's settings, with their defaults (TRL's, where it names one). The config uses these sections, the
 * types are inferred from them, and an update's settings cross to the engine unchanged. A row names TRL's option of the same
 * meaning (`trl`), and the key that it replaced (`was`). docs/objectives.md has the formulas.
 */
import { z } from 'zod';

export const count = z.int().min(1);
export const countOrZero = z.int().min(0);
export const share = z.number().min(0).max(1);
export const positive = z.number().positive();
export const notNegative = z.number().min(0);
export const name = z.string().min(1);

type Kind = { readonly kind: string };

/** Types a union by `kind` so that the name of a kind abbreviates `{ kind }`, with its defaults. */
export const named = <Union extends z.ZodType<unknown, Kind>>(union: Union) =>
  union as unknown as z.ZodType<z.output<Union>, z.input<Union> | z.input<Union>['kind']>;

const low = share.default(0.2).meta({ trl: 'epsilon', was: 'objective.clipEpsilonLow' });
const high = positive.meta({ trl: 'epsilon_high', was: 'objective.clipEpsilonHigh' });

/** ε_high is ε_low unless it is given. */
const symmetric = <Bounds extends { low: number; high?: number | undefined }>(bounds: Bounds) => ({
  ...bounds,
  high: bounds.high ?? bounds.low,
});

const clip = z.strictObject({
  kind: z.literal('clip'),
  low,
  high: high.optional(),
  delta: positive.nullable().default(null).meta({ trl: 'delta', was: 'objective.delta' }),
  dual: z.number().gt(1).nullable().default(null).meta({ was: 'objective.dualClip' }),
});

const cispo = z.strictObject({
  kind: z.literal('cispo'),
  high: z
    .number({
      error: ({ input }) => (input === undefined ? 'is required: the bound of the ratio (5 in ScaleRL)' : undefined),
    })
    .positive()
    .meta({ trl: 'epsilon_high' }),
});

const cispoRange = z.strictObject({ kind: z.literal('cispo-range'), low, high: high.optional() });

const sapo = z.strictObject({
  kind: z.literal('sapo'),
  temperaturePositive: positive
    .default(1)
    .meta({ trl: 'sapo_temperature_pos', was: 'objective.sapoTemperaturePositive' }),
  temperatureNegative: positive
    .default(1.05)
    .meta({ trl: 'sapo_temperature_neg', was: 'objective.sapoTemperatureNegative' }),
});

const vespo = z.strictObject({
  kind: z.literal('vespo'),
  powerPositive: notNegative.default(2).meta({ trl: 'vespo_k_pos', was: 'objective.vespoPowerPositive' }),
  decayPositive: notNegative.default(3).meta({ trl: 'vespo_lambda_pos', was: 'objective.vespoDecayPositive' }),
  powerNegative: notNegative.default(3).meta({ trl: 'vespo_k_neg', was: 'objective.vespoPowerNegative' }),
  decayNegative: notNegative.default(2).meta({ trl: 'vespo_lambda_neg', was: 'objective.vespoDecayNegative' }),
});

const loss = named(
  z.discriminatedUnion('kind', [clip.transform(symmetric), cispo, cispoRange.transform(symmetric), sapo, vespo]),
);

const kl = z.strictObject({
  /** 0 needs no reference policy. */
  beta: notNegative.default(0).meta({ trl: 'beta', was: 'objective.beta' }),
  estimator: z.enum(['k1', 'k2', 'k3']).default('k3').meta({ was: 'objective.klEstimator' }),
  ratio: z.boolean().default(false).meta({ trl: 'use_bias_correction_kl', was: 'objective.klRatio' }),
  /** Bound of |lp − ref|; null does not bound. */
  clamp: positive.nullable().default(null),
});

const adaptive = z.strictObject({
  kind: z.literal('adaptive').meta({ was: 'objective.entropyControl.adaptive' }),
  target: z.number().default(0.2).meta({ trl: 'entropy_target', was: 'objective.entropyControl.target' }),
  change: notNegative.default(0.005).meta({ trl: 'entropy_coef_delta', was: 'objective.entropyControl.change' }),
  min: z.number().default(0).meta({ trl: 'entropy_coef_min', was: 'objective.entropyControl.min' }),
  max: z.number().default(1).meta({ trl: 'entropy_coef_max', was: 'objective.entropyControl.max' }),
});

const entropy = z.strictObject({
  /** Coefficient of the entropy bonus; with an adaptive control its initial value. */
  coefficient: z.number().default(0).meta({ trl: 'entropy_coef', was: 'objective.entropyCoefficient' }),
  topShare: share.default(1).meta({ trl: 'top_entropy_quantile', was: 'objective.topEntropyShare' }),
  control: named(z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('constant') }), adaptive])).prefault({
    kind: 'constant',
  }),
});

const bounded = {
  /** A ratio beyond its bounds becomes the bound, or 0. */
  beyond: z.enum(['truncate', 'mask']).default('mask'),
  max: positive
    .nullable()
    .default(3)
    .meta({ trl: 'vllm_importance_sampling_clip_max', was: 'objective.samplingCorrection.max' }),
  min: positive
    .nullable()
    .default(null)
    .meta({ trl: 'vllm_importance_sampling_clip_min', was: 'objective.samplingCorrection.min' }),
};

const correction = named(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none').meta({ was: 'objective.samplingCorrection.mode' }) }),
    z.strictObject({ kind: z.literal('token'), ...bounded }),
    z.strictObject({ kind: z.literal('sequence'), ...bounded }),
  ]),
);

const normalisation = named(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.enum(['sequence-mean', 'sequence-sum', 'token-mean', 'local-token-mean']) }),
    z.strictObject({
      kind: z.literal('constant'),
      /** In tokens; in a config by default `sampling.maxNewTokens`. */
      length: count.optional().meta({ was: 'objective.maxCompletionLength' }),
    }),
  ]),
);

/** The objective that an update minimises. */
export const objective = z.strictObject({
  loss: loss.prefault({ kind: 'clip' }),
  importanceRatio: z.enum(['token', 'sequence']).default('token').meta({ trl: 'importance_sampling_level' }),
  kl: kl.prefault({}),
  entropy: entropy.prefault({}),
  offPolicyThreshold: positive.nullable().default(null).meta({ trl: 'off_policy_mask_threshold' }),
  correction: correction.prefault({ kind: 'none' }),
  normalisation: normalisation.prefault({ kind: 'sequence-mean' }),
  /** Rollouts per block of `local-token-mean`, of the entropy bonus and of `entropy.topShare`; 0 takes the whole optimizer step. */
  localRollouts: countOrZero.default(0),
  /** Source of π_old: `trainer` recomputes the log-probabilities before the update, `behaviour` takes the behaviour policy's. */
  oldPolicy: z.enum(['trainer', 'behaviour']).default('trainer').meta({ was: 'objective.useRolloutLogprobs' }),
  /** Passes over the batch of an update; from the second on the importance ratio differs from 1. */
  batchEpochs: count.default(1).meta({ trl: 'num_iterations', was: 'objective.epochs' }),
});

/** AdamW. */
export const adamW = z.strictObject({
  learningRate: positive.default(1e-6).meta({ trl: 'learning_rate' }),
  adamBeta1: z.number().min(0).lt(1).default(0.9).meta({ trl: 'adam_beta1' }),
  adamBeta2: z.number().min(0).lt(1).default(0.999).meta({ trl: 'adam_beta2' }),
  adamEpsilon: positive.default(1e-8).meta({ trl: 'adam_epsilon' }),
  /** Decoupled; applied to matrices, not to norms and biases. */
  weightDecay: notNegative.default(0).meta({ trl: 'weight_decay' }),
  /** Clips the global norm of the gradient to this value; 0 does not clip. */
  maxGradNorm: notNegative.default(1).meta({ trl: 'max_grad_norm' }),
});

/** A text or a list of them, parsed to a list. */
const oneOrMore = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().min(1)).default([]),
) as unknown as z.ZodDefault<z.ZodType<string[], string | readonly string[]>>;

/** How completions are sampled. */
export const sampling = z.strictObject({
  temperature: notNegative.default(1).meta({ trl: 'temperature' }),
  maxNewTokens: count.default(256).meta({ trl: ['max_completion_length', 'sampling.max_tokens'] }),
  topK: countOrZero.default(0).meta({ trl: ['top_k', 'sampling.top_k'] }),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .meta({ trl: ['top_p', 'sampling.top_p'] }),
  minP: share.default(0).meta({ trl: ['min_p', 'sampling.min_p'] }),
  stopTokenIds: z.array(countOrZero).default([]).meta({ trl: 'generation_kwargs.stop_token_ids' }),
  /** Texts that end a completion: a list, or one text. */
  stop: oneOrMore.meta({ trl: 'generation_kwargs.stop' }),
  /** Keeps the stop text in the completion's text, as transformers does. */
  includeStopText: z
    .boolean()
    .default(false)
    .meta({ trl: ['generation_kwargs.include_stop_str_in_output', 'sampling.include_stop_str_in_output'] }),
});

export const device = z
  .string()
  .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'must be auto, cpu, cuda or cuda:N')
  .default('auto');
export const dtype = z.enum(['auto', 'float32', 'bfloat16']).default('auto');

/** Bounds of an update's memory; the gradient does not depend on them. */
export const memoryBounds = z.strictObject({
  /** Largest number of padded tokens in one forward pass. */
  microbatchTokens: count.default(16384),
  /** Recomputes activations in the backward pass instead of storing them. */
  gradientCheckpointing: z
    .boolean()
    .default(false)
    // The second is transformers' newer name.
    .meta({ trl: ['gradient_checkpointing', 'activation_checkpointing'] }),
  /** Largest size of the logits in memory, in bytes. */
  logitsBytes: count.default(256 * 2 ** 20),
});

/** The settings of AdamW: learning rate, betas, epsilon, weight decay and the bound of the gradient's norm. */
export type OptimizerSettings = Readonly<z.output<typeof adamW>>;

type Formula = z.output<typeof objective>;

/** The objective of an update; docs/objectives.md has the formulas, their sources and their names in TRL and verl. */
export type Objective = Readonly<Omit<Formula, 'loss'>> & {
  readonly loss: Formula['loss'] | { readonly kind: 'supervised' };
};

/** The state of an adaptive entropy bonus after an update. */
export interface EntropyState {
  readonly coefficient: number;
  /** Mean entropy of the tokens of the last optimizer step, in nats. */
  readonly measured: number;
}

/** The settings of one update: optimizer, objective, bounds of memory, and the temperature of the log-probabilities. */
export interface UpdateSettings extends OptimizerSettings, Readonly<z.output<typeof memoryBounds>> {
  readonly objective: Objective;
  /** Divides the logits before the softmax, as in sampling. */
  readonly temperature: number;
  /** State from which an adaptive entropy bonus continues; absent before the first update. */
  readonly entropyState?: EntropyState;
}

/** The schema's default settings of an update, to spread into other settings. */
export const defaultUpdate: UpdateSettings = {
  ...adamW.parse({}),
  ...memoryBounds.parse({}),
  objective: objective.parse({}),
  temperature: 1,
};

/** The supervised objective: mean negative log-likelihood over the trained tokens; ignores advantages. */
export const supervisedObjective: Objective = {
  ...defaultUpdate.objective,
  loss: { kind: 'supervised' },
  normalisation: { kind: 'token-mean' },
};
