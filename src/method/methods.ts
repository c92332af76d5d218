/** The five methods as settings of one loop, with the same rollouts and updates. */
import { methodNames } from '../config/schema.js';

export { methodNames };

/** A row of the paper's results table: `grpo`, `curriculum`, `improve`, `diverge`, or `exit` (the full method). */
export type MethodName = (typeof methodNames)[number];

/** The ingredients of a method. */
export interface MethodSettings {
  /** `uniform` draws base tasks; `exit` replays scored starts from the buffer. */
  readonly curriculum: 'uniform' | 'exit';
  /** Whether the buffer stores new histories (self-iteration starts) or base tasks only. */
  readonly expand: boolean;
  /** Whether replayed starts may carry the intent `diverge`. */
  readonly diverge: boolean;
  /** Whether advantages are multiplied by the diversity bonus d. */
  readonly diversityBonus: boolean;
}

/**
 * The ablations of the paper's results table. Each row adds one ingredient to the row above, but `improve` takes base tasks out
 * of the buffer, unless `buffer.baseStarts` keeps them there.
 */
export const methods = {
  grpo: { curriculum: 'uniform', expand: false, diverge: false, diversityBonus: false },
  curriculum: { curriculum: 'exit', expand: false, diverge: false, diversityBonus: false },
  improve: { curriculum: 'exit', expand: true, diverge: false, diversityBonus: false },
  diverge: { curriculum: 'exit', expand: true, diverge: true, diversityBonus: false },
  exit: { curriculum: 'exit', expand: true, diverge: true, diversityBonus: true },
} as const satisfies Record<MethodName, MethodSettings>;
