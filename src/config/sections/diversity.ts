/** The diversity bonus and the embedder that it measures with. */
import { z } from 'zod';
import { device, dtype } from './machine.js';
import { count, countOrZero, name, positive } from './values.js';

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

const modelEmbedder = z.strictObject({
  /** A sentence-transformers folder, or a plain encoder's. */
  model: name,
  /** Put in front of every text; goes before `promptName`. */
  prompt: z.string().optional(),
  /** One of the folder's own prompts; without both, the folder's default. */
  promptName: name.optional(),
  /** Cuts texts after this many tokens, when that is earlier than the folder says. */
  maxTokens: count.optional(),
  device,
  dtype,
  threads: countOrZero.default(0),
  /** Vectors kept for texts that come again. */
  cacheSize: countOrZero.default(8192),
});

export const diversity = z.strictObject({
  clamp: positive.default(3),
  /** Hashed n-grams, the policy's own hidden states (their mean, or the last one), or a model. */
  embedder: z.union([z.enum(['ngram', 'policy', 'policy-last-token']), modelEmbedder]).default('ngram'),
  ngram: ngram.prefault({}),
});
