/** AdamW and the schedule of its learning rate. */
import { z } from 'zod';
import { countOrZero, notNegative, positive, share } from './values.js';

export const optimizer = z.strictObject({
  learningRate: positive.default(1e-6),
  adamBeta1: z.number().min(0).lt(1).default(0.9),
  adamBeta2: z.number().min(0).lt(1).default(0.999),
  adamEpsilon: positive.default(1e-8),
  weightDecay: notNegative.default(0),
  maxGradNorm: notNegative.default(1),
  warmupUpdates: countOrZero.default(0),
  /** Share of all updates that warm up; used where `warmupUpdates` is 0. */
  warmupRatio: share.default(0),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  finalShare: share.default(0),
  /** `zero` is transformers' count: the first update of a warm-up has rate 0, the last one is a step short of the end. */
  countFrom: z.enum(['zero', 'one']).default('one'),
  /** Of AdamW's moments; the arithmetic is float32 either way. */
  stateDtype: z.enum(['float32', 'bfloat16']).default('float32'),
});
