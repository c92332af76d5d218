/**
 * The schema of a run and, with the policy's settings, the one place of its defaults (TRL's and the paper's, where they name
 * one). A row names TRL's option of the same meaning (`trl`), and the key that it replaced (`was`).
 */
import { z } from 'zod';
import { defaultCacheSize } from '../embedder/local-embedder.js';
import {
  adamW,
  count,
  countOrZero,
  device,
  dtype,
  objective as formula,
  memoryBounds,
  name,
  notNegative,
  positive,
  sampling,
  share,
} from '../policy/settings.js';
import { rewardKinds } from '../reward/reward.js';
import { type Related, type Rule, rules } from './between.js';
import { chat, data, verifier } from './data.js';
import { lora } from './lora-rows.js';
import { rewards } from './reward-rows.js';

/** The ablations of the paper's results table, each with one ingredient more. */
export const methodNames = ['grpo', 'curriculum', 'improve', 'diverge', 'exit'] as const;

/** The formula, and how an update cuts its batch. */
const objective = formula.extend({
  /** Optimizer steps that each epoch cuts the batch into. */
  miniBatches: count.default(1),
  /** Whether groups are dealt to them as they come, or shuffled by the seed. */
  miniBatchOrder: z.enum(['fixed', 'shuffled']).default('fixed'),
});

/** AdamW and the schedule of its learning rate. */
const optimizer = adamW.extend({
  warmupUpdates: countOrZero.default(0),
  /** Share of all updates that warm up; used where `warmupUpdates` is 0. */
  warmupRatio: share.default(0),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  /** Share of the learning rate that is left at the last update; `constant` does not read it. */
  finalShare: share.default(0),
  /** `zero` is transformers' count: the first update of a warm-up has rate 0, the last one is a step short of the end. */
  countFrom: z.enum(['zero', 'one']).default('one'),
  /** Of AdamW's moments; the arithmetic is float32 either way. */
  stateDtype: z.enum(['float32', 'bfloat16']).default('float32'),
});

/** How rewards become advantages. */
const advantage = z.strictObject({
  baseline: z.enum(['std', 'mean', 'leave-one-out']).default('std'),
  /** What the standard deviation of `std` is taken over. */
  stdOver: z.enum(['group', 'batch']).default('group'),
  std: z.enum(['population', 'sample']).default('population'),
  epsilon: notNegative.default(1e-4),
  /** `normalise-then-sum` normalises every reward function in its group, and their sum over the batch (GDPO). */
  aggregation: z.enum(['sum-then-normalise', 'normalise-then-sum']).default('sum-then-normalise'),
  /** `reward` trains a group of one on its reward, as verl does. */
  groupOfOne: z.enum(['zero', 'reward']).default('zero'),
});

const ngram = z
  .strictObject({
    dimension: count.default(1024),
    unit: z.enum(['word', 'character']).default('word'),
    minimumLength: count.default(1),
    maximumLength: count.default(2),
  })
  // Checked on wrong values as well: all problems are reported at once.
  .refine((section) => !(section?.minimumLength > section?.maximumLength), {
    path: ['minimumLength'],
    error: 'must not exceed diversity.ngram.maximumLength',
    when: () => true,
  });

const modelEmbedder = z.strictObject({
  /** A sentence-transformers folder, or a plain encoder's. */
  model: name,
  /** Put in front of every text; overrides `promptName`. */
  prompt: z.string().optional(),
  /** One of the folder's own prompts; without both, the folder's default. */
  promptName: name.optional(),
  /** Cuts texts after this many tokens, when that is earlier than the folder says. */
  maxTokens: count.optional(),
  device,
  dtype,
  threads: countOrZero.default(0),
  /** Vectors kept for texts that come again. */
  cacheSize: countOrZero.default(defaultCacheSize),
});

/** The diversity bonus and the embedder that it measures with. */
const diversity = z.strictObject({
  clamp: positive.default(3),
  /** Hashed n-grams, the policy's own hidden states (their mean, or the last one), or a model. */
  embedder: z.union([z.enum(['ngram', 'policy', 'policy-last-token']), modelEmbedder]).default('ngram'),
  ngram: ngram.prefault({}),
});

/** The defaults of the two formulas that are also called by themselves. */
export const defaultAdvantage = advantage.parse({});
export const defaultClamp = diversity.shape.clamp.parse(undefined);

/** The buffer of starts. */
const buffer = z
  .strictObject({
    capacity: count.default(512),
    minimumFill: countOrZero.default(128),
    inverseTemperature: notNegative.default(80),
  })
  // Checked on wrong values as well: all problems are reported at once.
  .refine((section) => !(section?.minimumFill > section?.capacity), {
    path: ['minimumFill'],
    error: 'must not exceed buffer.capacity, or replay never begins',
    when: () => true,
  });

/** How the reference policy follows. */
const reference = z.strictObject({
  /** M: updates between blends; 0 never blends. Only with β > 0. */
  blendEvery: countOrZero.default(100).meta({ trl: 'ref_model_sync_steps' }),
  /** α of θ_ref ← (1 − α) θ_ref + α θ. */
  alpha: share.default(1).meta({ trl: 'ref_model_mixup_alpha' }),
});

/** What is kept of a run. */
const checkpoint = z.strictObject({
  /** Updates between checkpoints; 0 keeps only the one at the end. */
  every: countOrZero.default(100).meta({ trl: 'save_steps' }),
  /** Verified checkpoints kept; never below two. */
  keep: z.int().min(2).default(2).meta({ trl: 'save_total_limit' }),
  /** Training goes on while a checkpoint is written, at the price of a copy of the training state in host memory. */
  asynchronous: z.boolean().default(true),
});

/** Which checkpoint is kept for good, and when training stops early. */
const best = z.strictObject({
  /** A metric of the evaluation, with or without `eval_`; absent keeps the newest checkpoints only. */
  metric: name.optional().meta({ trl: 'metric_for_best_model' }),
  /** By default false for a metric that ends in `loss`, else true. */
  greaterIsBetter: z.boolean().optional().meta({ trl: 'greater_is_better' }),
  /** Evaluations in a row without a gain before training stops; 0 never stops. */
  patience: countOrZero.default(0).meta({ trl: 'early_stopping_patience' }),
  /** A gain is larger than this. */
  threshold: notNegative.default(0).meta({ trl: 'early_stopping_threshold' }),
});

/** K-step evaluation, while training and afterwards; reward functions on held-out tasks while training. */
const evaluation = z.strictObject({
  iterations: countOrZero.default(16),
  draws: count.default(4),
  split: name.default('test'),
  /** Updates between evaluations while training; 0 leaves them to `exit-rl evaluate`. */
  every: countOrZero.default(0).meta({ trl: ['eval_steps', 'eval.interval'] }),
  atStart: z.boolean().default(false).meta({ trl: 'eval_on_start' }),
  atEnd: z.boolean().default(false),
  /**
   * While training: reward functions on attempts (`eval_reward` …), K-step chains (`eval/quality_16` …), or both. By default
   * `rewards` where the config names some.
   */
  measure: z.enum(['rewards', 'iterations', 'both']).optional(),
  /** Attempts per task for the reward functions; by default as `groupSize`. */
  generations: count.optional().meta({ trl: 'num_generations_eval' }),
  /** Tasks of the split that are evaluated while training, the first ones; 0 takes all. */
  limit: countOrZero.default(0),
});

const keys = z.strictObject({
  /** The recipe that this config starts from; its own keys override the recipe's. */
  recipe: name.optional(),
  /** A task family's name, or the path of a module whose default export is one; by default `prompts` with `data`. */
  task: name.optional(),
  data: data.optional(),
  chat: chat.prefault({}),
  /** Measures the quality of answers to `data`; by default the reward functions do. */
  verifier: verifier.optional(),
  /** A Hugging Face model folder. */
  model: name.meta({ trl: 'model_name_or_path' }),
  method: z.enum(methodNames).default('exit'),
  seed: z.int().min(0).default(0),
  /** By default 200, or what `passes` come to. */
  updates: countOrZero.optional(),
  /** Over the training tasks; `updates` overrides them. */
  passes: positive.optional().meta({ trl: 'num_train_epochs', was: 'epochs' }),
  taskOrder: z.enum(['uniform', 'shuffled', 'sequential']).default('uniform'),
  startsPerBatch: count.default(16),
  groupSize: count.default(8).meta({ trl: ['num_generations', 'rollouts_per_example'] }),
  sampling: sampling.prefault({}),
  dynamicSampling: z.enum(['off', 'skip', 'refill']).default('off'),
  /** By default four times `startsPerBatch`. */
  maximumDraws: count.optional(),
  objective: objective.prefault({}),
  optimizer: optimizer.prefault({}),
  /** Without `rewards`, what is trained on. With them their weighted sum is, or with `improvement` the gain of quality. */
  reward: z.enum(rewardKinds).default('quality'),
  rewards,
  advantage: advantage.prefault({}),
  diversity: diversity.prefault({}),
  buffer: buffer.prefault({}),
  replayProbability: share.default(0.5),
  divergeProbability: share.default(0.2),
  reference: reference.prefault({}),
  lora: lora.optional(),
  /** A completion without terminator gets zero gradient. */
  overlongFilter: z.boolean().default(true).meta({ trl: 'mask_truncated_completions' }),
  device,
  dtype,
  /** CPU threads of the engine; 0 takes all cores. */
  threads: countOrZero.default(0),
  ...memoryBounds.shape,
  checkpoint: checkpoint.prefault({}),
  best: best.prefault({}),
  evaluation: evaluation.prefault({}),
  traces: z.enum(['none', 'sample', 'all']).default('sample'),
  /** Writes metrics as a TensorBoard event file into the run folder, beside metrics.jsonl. */
  tensorboard: z.boolean().default(false),
  /** Of the run folder: runs/NAME. */
  name: name
    .regex(/^[\w.-]+$/, 'letters, digits, dots, dashes and underscores')
    .optional()
    .meta({ trl: 'run_name' }),
  /** Updates between lines printed by --json, and between printed completions; metrics.jsonl has every update. */
  logEvery: count.default(1).meta({ trl: 'logging_steps' }),
  /** Completions printed with each logged update. */
  logCompletions: countOrZero.default(0).meta({ trl: 'num_completions_to_print' }),
});

/** The longest completion that is asked for, where `constant` names no length. */
const withLength = (normalisation: z.output<typeof formula>['normalisation'], longest: number) =>
  normalisation.kind === 'constant' ? { ...normalisation, length: normalisation.length ?? longest } : normalisation;

// Checked where other keys are wrong as well: all problems are reported at once.
const relate = (applied: readonly Rule[]) =>
  applied.reduce(
    (schema, { key, message, holds }) =>
      schema.refine((run) => holds((run ?? {}) as Related), { path: key.split('.'), error: message, when: () => true }),
    keys,
  );

// Keys that depend on other sections; the input may hold any of them already.
const complete = (related: ReturnType<typeof relate>) =>
  related.transform((run) => ({
    ...run,
    task: run.task ?? 'prompts',
    // 0: as many as the passes come to, once the tasks are known.
    updates: run.updates || (run.passes === undefined ? 200 : 0),
    evaluation: {
      ...run.evaluation,
      generations: run.evaluation.generations ?? run.groupSize,
      measure: run.evaluation.measure ?? (run.rewards.length > 0 ? 'rewards' : 'iterations'),
    },
    maximumDraws: run.maximumDraws ?? 4 * run.startsPerBatch,
    rewards: run.rewards.map((entry) => ({
      ...entry,
      longestCompletion: entry.longestCompletion ?? run.sampling.maxNewTokens,
    })),
    objective: {
      ...run.objective,
      normalisation: withLength(run.objective.normalisation, run.sampling.maxNewTokens),
    },
  }));

export const runSchema = complete(relate(rules));

/** The schema of a run whose reward functions a script passes beside its config. */
export const rewardedRunSchema = complete(relate(rules.filter(({ without }) => without !== 'rewards')));

/** What a user may write: every key but `task` and `model` has a default. */
export type RunConfigInput = z.input<typeof runSchema>;

/** A complete run: nothing is left open. */
export type RunConfig = z.output<typeof runSchema>;
