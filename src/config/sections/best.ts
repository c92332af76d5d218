/** Which checkpoint is kept for good, and when training stops early. */
import { z } from 'zod';
import { countOrZero, name, notNegative } from './values.js';

export const best = z.strictObject({
  /** A metric of the evaluation, with or without `eval_`; absent keeps the newest checkpoints only. */
  metric: name.optional(),
  /** By default false for a metric that ends in `loss`, else true. */
  greaterIsBetter: z.boolean().optional(),
  /** Evaluations in a row without a gain before training stops; 0 never stops. */
  patience: countOrZero.default(0),
  threshold: notNegative.default(0),
});
