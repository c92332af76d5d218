/** How rewards become advantages. */
import { z } from 'zod';
import { notNegative } from './values.js';

export const advantage = z.strictObject({
  baseline: z.enum(['std', 'mean']).default('std'),
  std: z.enum(['population', 'sample']).default('population'),
  epsilon: notNegative.default(1e-4),
});
