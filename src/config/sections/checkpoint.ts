/** What is kept of a run. */
import { z } from 'zod';
import { countOrZero } from './values.js';

export const checkpoint = z.strictObject({
  every: countOrZero.default(100),
  keep: z.int().min(2).default(2),
  asynchronous: z.boolean().default(true),
});
