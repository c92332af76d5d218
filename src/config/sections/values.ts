/** The kinds of value that several sections share. */
import { z } from 'zod';

export const count = z.int().min(1);
export const countOrZero = z.int().min(0);
export const share = z.number().min(0).max(1);
export const positive = z.number().positive();
export const notNegative = z.number().min(0);
export const name = z.string().min(1);
