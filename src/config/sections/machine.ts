/** Where a run is computed. */
import { z } from 'zod';
import { count, countOrZero } from './values.js';

export const device = z
  .string()
  .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'must be auto, cpu, cuda or cuda:N')
  .default('auto');
export const dtype = z.enum(['auto', 'float32', 'bfloat16']).default('auto');

export const machine = {
  device,
  dtype,
  /** CPU threads of the engine; 0 takes all cores. */
  threads: countOrZero.default(0),
  microbatchTokens: count.default(16384),
  /** Computes activations again in the backward pass instead of keeping them. */
  gradientCheckpointing: z.boolean().default(false),
  /** Logits that may lie in memory at a time. */
  logitsBytes: count.default(256 * 2 ** 20),
};
