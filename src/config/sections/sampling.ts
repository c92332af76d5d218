/** How completions are drawn. */
import { z } from 'zod';
import { count, countOrZero, notNegative, share } from './values.js';

export const sampling = z.strictObject({
  temperature: notNegative.default(1),
  maxNewTokens: count.default(256),
  topK: countOrZero.default(0),
  topP: z.number().gt(0).max(1).default(1),
  minP: share.default(0),
  stopTokenIds: z.array(countOrZero).default([]),
  /** Texts that end a completion; one may stand alone. */
  stop: z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(z.string().min(1)).default([])),
  /** Leaves the stop text in the completion's text, as transformers does. */
  includeStopText: z.boolean().default(false),
});
