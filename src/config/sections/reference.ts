/** How the reference policy follows. */
import { z } from 'zod';
import { countOrZero, share } from './values.js';

export const reference = z.strictObject({ blendEvery: countOrZero.default(100), alpha: share.default(1) });
