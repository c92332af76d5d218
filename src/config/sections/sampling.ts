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
});
