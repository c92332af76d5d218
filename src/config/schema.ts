/**
 * The schema of a run. It and the policy's settings hold all defaults (TRL's and the paper's, where they name one). A row
 * names TRL's option of the same meaning (`trl`), and the key that it replaced (`was`).
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
  named,
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

/** The ablations of the paper's results table. */
export const methodNames = ['grpo', 'curriculum', 'improve', 'diverge', 'exit'] as const;

/** The rules of an evaluation for an answer that cannot be read or is cut off. */
export const unreadableRules = ['count', 'keep'] as const;

/** The formula, and the split of a batch into optimizer steps. */
const objective = formula.extend({
  /** Optimizer steps per epoch of a batch. */
  miniBatches: count.default(1),
  /** Order in which groups are assigned to the optimizer steps: that of the batch, or shuffled by the seed. */
  miniBatchOrder: z.enum(['fixed', 'shuffled']).default('fixed'),
});

/** AdamW and the schedule of its learning rate. */
const optimizer = adamW.extend({
  warmupUpdates: countOrZero.default(0),
  /** Share of all updates that warm up; applies when `warmupUpdates` is 0. */
  warmupRatio: share.default(0),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  /** Share of the learning rate at the last update; `constant` ignores it. */
  finalShare: share.default(0),
  /** `zero` counts as transformers does: the first update of a warm-up has rate 0, and the last update is one step short of the end. */
  countFrom: z.enum(['zero', 'one']).default('one'),
  /** Precision of AdamW's moments; the arithmetic is float32 either way. */
  stateDtype: z.enum(['float32', 'bfloat16']).default('float32'),
});

/** How rewards become advantages. */
const advantage = z.strictObject({
  baseline: z.enum(['std', 'mean', 'leave-one-out']).default('std'),
  /** Rewards over which `std` computes the standard deviation. */
  stdOver: z.enum(['group', 'batch']).default('group'),
  std: z.enum(['population', 'sample']).default('population'),
  epsilon: notNegative.default(1e-4),
  /** `normalise-then-sum` normalises every reward function over its group, and their sum over the batch (GDPO). */
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
  /** Prefix of every text; overrides `promptName`. */
  prompt: z.string().optional(),
  /** Name of one of the folder's prompts; without `prompt` and `promptName`, the folder's default one. */
  promptName: name.optional(),
  /** Truncates texts to this many tokens, when that is below the folder's limit. */
  maxTokens: count.optional(),
  device,
  dtype,
  threads: countOrZero.default(0),
  /** Number of vectors that are cached for repeated texts. */
  cacheSize: countOrZero.default(defaultCacheSize),
});

/** The diversity bonus and its embedder. */
const diversity = z.strictObject({
  clamp: positive.default(3),
  /** Hashed n-grams, the policy's hidden states (their mean, or the last one), or an embedding model. */
  embedder: z.union([z.enum(['ngram', 'policy', 'policy-last-token']), modelEmbedder]).default('ngram'),
  ngram: ngram.prefault({}),
});

/** Defaults for direct calls of the formulas of advantage and diversity. */
export const defaultAdvantage = advantage.parse({});
export const defaultClamp = diversity.shape.clamp.parse(undefined);

/** How the scores of the buffer decide which entry is drawn. */
const priority = named(
  z.discriminatedUnion('kind', [
    z.strictObject({
      /** softmax(κ·R), R in (0, 1) the rank of S in the buffer: one κ serves every scale of quality. */
      kind: z.literal('rank'),
      /** κ: a full buffer counts as about 2/κ of its entries, or more. */
      inverseTemperature: notNegative.default(4),
    }),
    z.strictObject({
      /** softmax(κ·S), as printed in the paper. */
      kind: z.literal('absolute'),
      inverseTemperature: notNegative.default(80).meta({ was: 'buffer.inverseTemperature' }),
    }),
  ]),
).prefault({ kind: 'rank' });

/** The buffer of starts. */
const buffer = z
  .strictObject({
    capacity: count.default(512),
    minimumFill: countOrZero.default(128),
    priority,
    /** Largest share of the capacity for the entries of one task; they then compete with each other alone. */
    taskShare: share.gt(0).default(1),
    /** Stores base tasks beside the histories that grew from them; `curriculum` stores nothing else. */
    baseStarts: z.boolean().default(false),
  })
  // Checked on wrong values as well: all problems are reported at once.
  .refine((section) => !(section?.minimumFill > section?.capacity), {
    path: ['minimumFill'],
    error: 'must not exceed buffer.capacity, or replay never begins',
    when: () => true,
  });

/** Which bad answers the score S of a start counts, with the quality that they got; 'exclude' leaves them out. */
const score = z.strictObject({
  /** An answer without terminator, or an episode that no longer fits the context. */
  overlong: z.enum(['include', 'exclude']).default('include'),
  /** An answer that the task cannot read. */
  unreadable: z.enum(['include', 'exclude']).default('include'),
});

/** How the reference policy follows the trained one. */
const reference = z.strictObject({
  /** M: updates between blends; 0 never blends. Applies with β > 0. */
  blendEvery: countOrZero.default(100).meta({ trl: 'ref_model_sync_steps' }),
  /** α of θ_ref ← (1 − α) θ_ref + α θ. */
  alpha: share.default(1).meta({ trl: 'ref_model_mixup_alpha' }),
});

/** When checkpoints are written, and how many are kept. */
const checkpoint = z.strictObject({
  /** Updates between checkpoints; 0 keeps only the one at the end. */
  every: countOrZero.default(100).meta({ trl: 'save_steps' }),
  /** Verified checkpoints to keep; at least two. */
  keep: z.int().min(2).default(2).meta({ trl: 'save_total_limit' }),
  /** true: training continues while a checkpoint is written, which takes a copy of the training state in host memory. */
  asynchronous: z.boolean().default(true),
});

/** Which checkpoint is kept beside the newest ones, and when training stops early. */
const best = z.strictObject({
  /** Metric of the evaluation, with or without `eval_`; absent keeps the newest checkpoints only. */
  metric: name.optional().meta({ trl: 'metric_for_best_model' }),
  /** By default false for a metric that ends in `loss`, else true. */
  greaterIsBetter: z.boolean().optional().meta({ trl: 'greater_is_better' }),
  /** Evaluations in a row without a gain before training stops; 0 never stops. */
  patience: countOrZero.default(0).meta({ trl: 'early_stopping_patience' }),
  /** Smallest change of the metric that does not count as a gain: a gain must exceed it. */
  threshold: notNegative.default(0).meta({ trl: 'early_stopping_threshold' }),
});

/** K-step evaluation, during training and afterwards; reward functions on held-out tasks during training. */
const evaluation = z.strictObject({
  iterations: countOrZero.default(16),
  /** The k to report, at most `iterations`; 0 and `iterations` are always reported. By default every k. */
  at: z.array(countOrZero).min(1).optional(),
  draws: count.default(4),
  /**
   * An answer that cannot be read or is cut off: `count` gives it quality 0 at its k, `keep` lets the last readable answer
   * stand.
   */
  unreadable: z.enum(unreadableRules).default('count'),
  /** Random numbers of the evaluations during training: the same for each (`common`), or new ones for each (`fresh`). */
  randomNumbers: z.enum(['common', 'fresh']).default('common'),
  split: name.default('test'),
  /** Updates between evaluations during training; 0 evaluates only with `exit-rl evaluate`. */
  every: countOrZero.default(0).meta({ trl: ['eval_steps', 'eval.interval'] }),
  atStart: z.boolean().default(false).meta({ trl: 'eval_on_start' }),
  atEnd: z.boolean().default(false),
  /**
   * Measured during training: reward functions on attempts (`eval_reward` …), K-step chains (`eval/quality_16` …), or both. By
   * default `rewards` where the config names some.
   */
  measure: z.enum(['rewards', 'iterations', 'both']).optional(),
  /** Attempts per task for the reward functions; by default `groupSize`. */
  generations: count.optional().meta({ trl: 'num_generations_eval' }),
  /** Evaluates the first tasks of the split during training, this many; 0 takes all. */
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
  /** By default 200, or as many as `passes` take. */
  updates: countOrZero.optional(),
  /** Passes over the training tasks; `updates` overrides them. */
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
  /** The trained reward without `rewards`. With them it is their weighted sum, or with `improvement` the gain of quality. */
  reward: z.enum(rewardKinds).default('quality'),
  rewards,
  advantage: advantage.prefault({}),
  diversity: diversity.prefault({}),
  buffer: buffer.prefault({}),
  score: score.prefault({}),
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
  /** Name of the run folder: runs/NAME. */
  name: name
    .regex(/^[\w.-]+$/, 'letters, digits, dots, dashes and underscores')
    .optional()
    .meta({ trl: 'run_name' }),
  /** Updates between lines printed by --json, and between printed completions; metrics.jsonl has every update. */
  logEvery: count.default(1).meta({ trl: 'logging_steps' }),
  /** Completions printed with each logged update. */
  logCompletions: countOrZero.default(0).meta({ trl: 'num_completions_to_print' }),
});

/** Sets the length of `constant` to the longest completion, unless it is explicit. */
const withLength = (normalisation: z.output<typeof formula>['normalisation'], longest: number) =>
  normalisation.kind === 'constant' ? { ...normalisation, length: normalisation.length ?? longest } : normalisation;

// Rules apply even where other keys are wrong, so that all problems are reported together.
const relate = (applied: readonly Rule[]) =>
  applied.reduce(
    (schema, { key, message, holds }) =>
      schema.refine((run) => holds((run ?? {}) as Related), { path: key.split('.'), error: message, when: () => true }),
    keys,
  );

// Fills in keys whose defaults depend on other sections.
const complete = (related: ReturnType<typeof relate>) =>
  related.transform((run) => ({
    ...run,
    task: run.task ?? 'prompts',
    // 0: the number follows from the passes, once the tasks are known.
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

/** The input of a config: every key but `task` and `model` has a default. */
export type RunConfigInput = z.input<typeof runSchema>;

/** A complete config: every key has a value. */
export type RunConfig = z.output<typeof runSchema>;
