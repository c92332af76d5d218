/** How the model folder's chat template renders messages. */
import { z } from 'zod';
import { name } from './values.js';

export const chat = z.strictObject({
  /** One of the folder's named templates; by default its `default` one. */
  template: name.optional(),
  /** The day that templates are told; 2024-07-26 unless said otherwise. */
  date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
    .optional(),
  /** Further variables, for example `enable_thinking`. */
  variables: z.record(z.string(), z.unknown()).default({}),
});
