/**
 * The one schema of a run and the one place of its defaults (TRL's and the paper's, where they name one); each section
 * stands in a file of its own under `sections/`.
 */
import { z } from 'zod';
import { methodNames } from '../method/methods.js';
import { rewardKinds } from '../reward/reward.js';
import { type Related, rules } from './between.js';
import { advantage } from './sections/advantage.js';
import { best } from './sections/best.js';
import { chat } from './sections/chat.js';
import { checkpoint } from './sections/checkpoint.js';
import { buffer } from './sections/curriculum.js';
import { data, verifier } from './sections/data.js';
import { diversity } from './sections/diversity.js';
import { evaluation } from './sections/evaluation.js';
import { lora } from './sections/lora.js';
import { machine } from './sections/machine.js';
import { objective } from './sections/objective.js';
import { optimizer } from './sections/optimizer.js';
import { reference } from './sections/reference.js';
import { rewards } from './sections/rewards.js';
import { sampling } from './sections/sampling.js';
import { count, countOrZero, name, positive, share } from './sections/values.js';

const keys = z.strictObject({
  /** The recipe that this config starts from; its own keys go before the recipe's. */
  recipe: name.optional(),
  /** A task family's name, or the path of a module whose default export is one; by default `prompts` with `data`. */
  task: name.optional(),
  data: data.optional(),
  chat: chat.prefault({}),
  /** Measures the quality of answers to `data`; by default the reward functions do. */
  verifier: verifier.optional(),
  /** A Hugging Face model folder. */
  model: name,
  method: z.enum(methodNames).default('exit'),
  seed: z.int().min(0).default(0),
  /** By default 200, or what `epochs` come to. */
  updates: countOrZero.optional(),
  /** Passes over the training tasks; `updates` goes before them. */
  epochs: positive.optional(),
  taskOrder: z.enum(['uniform', 'shuffled', 'sequential']).default('uniform'),
  startsPerBatch: count.default(16),
  groupSize: count.default(8),
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
  overlongFilter: z.boolean().default(true),
  ...machine,
  checkpoint: checkpoint.prefault({}),
  best: best.prefault({}),
  evaluation: evaluation.prefault({}),
  traces: z.enum(['none', 'sample', 'all']).default('sample'),
  /** Writes metrics as a TensorBoard event file into the run folder, beside metrics.jsonl. */
  tensorboard: z.boolean().default(false),
  /** Of the run folder: runs/NAME. */
  name: name.regex(/^[\w.-]+$/, 'letters, digits, dots, dashes and underscores').optional(),
  /** Updates between lines printed by --json, and between printed completions; metrics.jsonl has every update. */
  logEvery: count.default(1),
  /** Completions printed with each logged update. */
  logCompletions: countOrZero.default(0),
});

// Asked where other keys are wrong as well: all problems are reported at once.
const related = rules.reduce(
  (schema, { key, message, holds }) =>
    schema.refine((run) => holds((run ?? {}) as Related), { path: key.split('.'), error: message, when: () => true }),
  keys,
);

export const runSchema = related
  // What depends on other sections; the input may hold any of it already.
  .transform((run) => ({
    ...run,
    task: run.task ?? 'prompts',
    // 0: as many as the epochs come to, once the tasks are known.
    updates: run.updates || (run.epochs === undefined ? 200 : 0),
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
      clipEpsilonHigh: run.objective.clipEpsilonHigh ?? run.objective.clipEpsilonLow,
      maxCompletionLength: run.objective.maxCompletionLength ?? run.sampling.maxNewTokens,
    },
  }));

/** What a user may write: every key but `task` and `model` has a default. */
export type RunConfigInput = z.input<typeof runSchema>;

/** A complete run: nothing is left open. */
export type RunConfig = z.output<typeof runSchema>;
