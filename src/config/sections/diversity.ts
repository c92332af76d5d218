/** The diversity bonus and the embedder that it measures with. */
import { z } from 'zod';
import { count, positive } from './values.js';

const ngram = z
  .strictObject({
    dimension: count.default(1024),
    unit: z.enum(['word', 'character']).default('word'),
    minimumLength: count.default(1),
    maximumLength: count.default(2),
  })
  // Asked of wrong values as well: all problems are reported at once.
  .refine((section) => !(section?.minimumLength > section?.maximumLength), {
    path: ['minimumLength'],
    error: 'must not exceed diversity.ngram.maximumLength',
    when: () => true,
  });

export const diversity = z.strictObject({ clamp: positive.default(3), ngram: ngram.prefault({}) });
