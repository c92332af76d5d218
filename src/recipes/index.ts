/** Recipes by name: functions that return a config. `exit-rl train NAME` runs one. */
import type { RunConfigInput } from '../config/parse.js';
import { codeBreaker } from './code-breaker.js';

export const recipes: Readonly<Record<string, () => RunConfigInput>> = {
  'code-breaker': codeBreaker,
};
