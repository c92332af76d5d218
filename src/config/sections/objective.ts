/** What is minimised. */
import { z } from 'zod';
import { count, notNegative, positive, share } from './values.js';

export const objective = z.strictObject({
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
