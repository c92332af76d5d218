/** The buffer of starts. */
import { z } from 'zod';
import { count, countOrZero, notNegative } from './values.js';

export const buffer = z
  .strictObject({
    capacity: count.default(512),
    minimumFill: countOrZero.default(128),
    inverseTemperature: notNegative.default(80),
  })
  // Asked of wrong values as well: all problems are reported at once.
  .refine((section) => !(section?.minimumFill > section?.capacity), {
    path: ['minimumFill'],
    error: 'must not exceed buffer.capacity, or replay never begins',
    when: () => true,
  });
