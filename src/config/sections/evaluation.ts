/** K-step evaluation, while training and afterwards. */
import { z } from 'zod';
import { count, countOrZero, name } from './values.js';

export const evaluation = z.strictObject({
  iterations: countOrZero.default(16),
  draws: count.default(4),
  split: name.default('test'),
  /** Updates between evaluations while training; 0 leaves them to `exit-rl evaluate`. */
  every: countOrZero.default(0),
});
