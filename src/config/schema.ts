/**
 * The one schema of a run and the one place of its defaults (TRL's and the paper's, where they name one); each section
 * stands in a file of its own under `sections/`.
 */
import { z } from 'zod';
import { rewardKinds } from '../reward.js';
import { methodNames } from '../trainer/methods.js';
import { advantage } from './sections/advantage.js';
import { checkpoint } from './sections/checkpoint.js';
import { buffer } from './sections/curriculum.js';
import { diversity } from './sections/diversity.js';
import { evaluation } from './sections/evaluation.js';
import { machine } from './sections/machine.js';
import { objective } from './sections/objective.js';
import { optimizer } from './sections/optimizer.js';
import { reference } from './sections/reference.js';
import { sampling } from './sections/sampling.js';
import { count, name, share } from './sections/values.js';

export const runSchema = z
  .strictObject({
    /** The recipe that this config starts from; its own keys go before the recipe's. */
    recipe: name.optional(),
    /** A task family's name, or the path of a module whose default export is one. */
    task: name,
    /** A Hugging Face model folder. */
    model: name,
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
    ...machine,
    checkpoint: checkpoint.prefault({}),
    evaluation: evaluation.prefault({}),
    traces: z.enum(['none', 'sample', 'all']).default('sample'),
  })
  // What depends on other sections; the input may hold any of it already.
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
