/** K-step evaluation, while training and afterwards; reward functions on held-out tasks while training. */
import { z } from 'zod';
import { count, countOrZero, name } from './values.js';

export const evaluation = z.strictObject({
  iterations: countOrZero.default(16),
  draws: count.default(4),
  split: name.default('test'),
  /** Updates between evaluations while training; 0 leaves them to `exit-rl evaluate`. */
  every: countOrZero.default(0),
  atStart: z.boolean().default(false),
  atEnd: z.boolean().default(false),
  /**
   * While training: reward functions on attempts (`eval_reward` …), K-step chains (`eval/quality_16` …), or both. By default
   * `rewards` where the config names some.
   */
  measure: z.enum(['rewards', 'iterations', 'both']).optional(),
  /** Attempts per task for the reward functions; by default as `groupSize`. */
  generations: count.optional(),
  /** Tasks of the split that are evaluated while training, the first ones; 0 takes all. */
  limit: countOrZero.default(0),
});
