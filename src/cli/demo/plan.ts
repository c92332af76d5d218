/** Plans a demo: its methods, seeds and number of updates. */

import { parseConfig } from '../../config/parse.js';
import { UsageError } from '../../errors.js';
import { type MethodName, methodNames } from '../../method/methods.js';
import { codeBreaker } from '../../recipes/code-breaker.js';

export interface DemoOptions {
  /** Few updates and one draw: a check that everything works, too short to compare methods. */
  readonly quick: boolean;
  /** Every ablation instead of GRPO and ExIt only. */
  readonly all: boolean;
  /** Runs of each method, on consecutive seeds. */
  readonly seeds: number;
  /** The first seed. */
  readonly seed: number;
  /** The comparison folder. */
  readonly out: string;
}

export interface PlannedRun {
  readonly method: MethodName;
  readonly seed: number;
  /** The run folder, relative to the comparison folder. */
  readonly folder: string;
}

export interface DemoPlan {
  readonly recipe: 'code-breaker';
  readonly seeds: readonly number[];
  readonly runs: readonly PlannedRun[];
  readonly updates: number;
  /** The recipe's number of updates, which `quick` shortens. */
  readonly fullUpdates: number;
  /** Chains per test task. */
  readonly draws: number;
  /** K of the evaluation. */
  readonly iterations: number;
}

/** Number of updates that train and evaluate in 20 s on two cores. */
const quickUpdates = 100;

function requireWhole(value: number, name: string, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new UsageError(`--${name} must be a whole number of at least ${least}`, { name, value });
}

/** @throws UsageError when a number is not whole or too small. */
export function planDemo(options: DemoOptions): DemoPlan {
  requireWhole(options.seeds, 'seeds', 1);
  requireWhole(options.seed, 'seed', 0);
  const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index);
  const methods = options.all ? methodNames : (['grpo', 'exit'] as const);
  const { updates, evaluation } = parseConfig(codeBreaker());
  const runs = seeds.flatMap((seed) => methods.map((method) => ({ method, seed, folder: `${method}-seed-${seed}` })));
  return {
    recipe: 'code-breaker',
    seeds,
    runs,
    updates: options.quick ? quickUpdates : updates,
    fullUpdates: updates,
    draws: options.quick ? 1 : evaluation.draws,
    iterations: evaluation.iterations,
  };
}
