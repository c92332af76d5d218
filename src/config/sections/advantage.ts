/** How rewards become advantages. */
import { z } from 'zod';
import { notNegative } from './values.js';

export const advantage = z.strictObject({
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
