/** Where a run is computed. */
import { z } from 'zod';
import { count, countOrZero } from './values.js';

export const machine = {
  device: z
    .string()
    .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'must be auto, cpu, cuda or cuda:N')
    .default('auto'),
  dtype: z.enum(['auto', 'float32', 'bfloat16']).default('auto'),
  /** CPU threads of the engine; 0 takes all cores. */
  threads: countOrZero.default(0),
  microbatchTokens: count.default(16384),
};
