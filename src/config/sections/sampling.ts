/** How completions are drawn. */
import { z } from 'zod';
import { defaultSampling } from '../../policy/sampling.js';
import { count, countOrZero, notNegative, share } from './values.js';

export const sampling = z.strictObject({
  temperature: notNegative.default(defaultSampling.temperature),
  maxNewTokens: count.default(defaultSampling.maxNewTokens),
  topK: countOrZero.default(defaultSampling.topK),
  topP: z.number().gt(0).max(1).default(defaultSampling.topP),
  minP: share.default(defaultSampling.minP),
  stopTokenIds: z.array(countOrZero).default([...defaultSampling.stopTokenIds]),
  /** Texts that end a completion; one may stand alone. */
  stop: z.preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    z.array(z.string().min(1)).default([...defaultSampling.stop]),
  ),
  /** Leaves the stop text in the completion's text, as transformers does. */
  includeStopText: z.boolean().default(defaultSampling.includeStopText),
});
