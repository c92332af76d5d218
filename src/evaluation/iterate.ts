/** K-step evaluation: attempts once, improves K times, and averages quality and solved share over draws at every k. */

import { performance } from 'node:perf_hooks';
import { mapBounded } from '../abort.js';
import {
  abortSignal,
  anyRecord,
  callback,
  type Fields,
  finiteNumber,
  listOf,
  positiveNumber,
  record,
  required,
  requireParts,
  wholeNumber,
} from '../arguments.js';
import { emptyHistory } from '../history.js';
import { generatorPart } from '../method/part-kinds.js';
import { samplingFields } from '../policy/generation.js';
import type { Completion, Policy, Sampling } from '../policy/policy.js';
import { createRng, type Rng } from '../rng.js';
import { mean } from '../stats.js';
import { requireFamily } from '../task/check.js';
import type { Task, TaskFamily } from '../task/task.js';
import { type Chain, type ChainContext, completeTurn, runChain } from './chain.js';
import { countCorrections } from './corrections.js';
import type { Evaluation } from './evaluation.js';
import { chooseExample } from './example.js';

/** Progress of an evaluation, reported after each task. */
export interface EvaluationProgress {
  /** Tasks whose chains have all ended. */
  readonly tasksDone: number;
  /** All tasks of the evaluation. */
  readonly tasks: number;
}

/** The policy, the tasks and the settings of a K-step evaluation. */
export interface EvaluationOptions {
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  /** K: improve steps after the attempt. */
  readonly iterations: number;
  /** Chains per task; their attempts share one prompt. */
  readonly draws: number;
  readonly sampling: Sampling;
  /** Seeds every random stream, together with the tasks' ids. */
  readonly seed: number;
  /** Chains in flight, 256 by default; the result does not depend on it. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  /** Clock in milliseconds, for `seconds` of the result only; by default `performance.now()`. */
  readonly clock?: () => number;
}

/** Runs all chains of one task. When the shared request for the attempts fails, each chain attempts separately. */
async function evaluateTask(
  context: ChainContext,
  { iterations, draws }: EvaluationOptions,
  rng: Rng,
): Promise<Chain[]> {
  const first = await completeTurn(context, { history: emptyHistory, intent: 'attempt' }, draws, rng.fork('attempt'));
  const chain = (completion: Completion | undefined, draw: number): Promise<Chain> =>
    runChain(context, iterations, rng.fork('draw', draw), completion);
  return Promise.all(Array.from({ length: draws }, (_, draw) => chain(first?.[draw], draw)));
}

type Measures = Omit<Evaluation, 'tasks' | 'draws' | 'seconds' | 'failures' | 'example'>;

function measure(chains: readonly Chain[], iterations: number): Measures {
  const k = Array.from({ length: iterations + 1 }, (_, index) => index);
  const quality = k.map((at) => mean(chains.map(({ qualities }) => qualities[at] ?? 0)));
  const right = chains.map(({ qualities }) => qualities.map((value) => value >= 1));
  const solved = k.map((at) => mean(right.map((chain) => (chain[at] ? 1 : 0))));
  const { fixed, broken, net } = countCorrections(right);
  const gain = (values: readonly number[]): number => (values.at(-1) ?? 0) - (values[0] ?? 0);
  return {
    k,
    quality,
    solved,
    fixed,
    broken,
    deltaQuality: gain(quality),
    deltaSolved: gain(solved),
    netCorrections: net,
  };
}

const evaluationParts: Fields<EvaluationOptions> = {
  policy: required(generatorPart),
  family: required(anyRecord),
  tasks: required(listOf(anyRecord)),
  iterations: required(wholeNumber),
  draws: required(positiveNumber),
  sampling: required(record(samplingFields)),
  seed: required(finiteNumber),
  concurrency: positiveNumber,
  signal: abortSignal,
  onProgress: callback,
  clock: callback,
};

/**
 * Evaluates a policy on tasks over K iterations, and leaves the policy unchanged. Lists of the result have K + 1 entries,
 * qualities and shares are in [0, 1]. It counts a failing task or verifier in `failures`.
 * @throws NativeError when the engine fails, CancelledError when the signal fires, InvalidRequestError for a part that is missing or
 * wrong.
 *
 * @example
 * import { codeBreaker, LocalPolicy, shippedModel } from 'exit-rl';
 * import { evaluateIterations } from 'exit-rl/evaluation';
 *
 * const family = codeBreaker();
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * const evaluation = await evaluateIterations({
 *   policy,
 *   family,
 *   tasks: family.tasks('test').slice(0, 4),
 *   iterations: 2,
 *   draws: 2,
 *   sampling: { temperature: 1, maxNewTokens: 6 },
 *   seed: 1,
 * });
 * console.log(evaluation.solved, evaluation.netCorrections);
 * await policy.close();
 */
export async function evaluateIterations(options: EvaluationOptions): Promise<Evaluation> {
  requireParts('evaluateIterations', options, evaluationParts);
  requireFamily(options.family);
  const { family, tasks, iterations, draws, concurrency = 256, clock = () => performance.now() } = options;
  const began = clock();
  const failures: string[] = [];
  const rng = createRng(options.seed).fork('evaluation');
  let tasksDone = 0;
  const limit = Math.max(1, Math.floor(concurrency / draws));
  const chains = await mapBounded(tasks.length, { limit, signal: options.signal }, async (index, signal) => {
    const task = tasks[index] as Task;
    const context: ChainContext = { ...options, signal, task, onFailure: (detail) => failures.push(detail) };
    const taskChains = await evaluateTask(context, options, rng.fork('task', task.id));
    options.onProgress?.({ tasksDone: ++tasksDone, tasks: tasks.length });
    return taskChains;
  });
  const example = family.turns === 1 ? chooseExample(family, tasks, chains) : undefined;
  return {
    ...measure(chains.flat(), iterations),
    tasks: tasks.length,
    draws,
    seconds: (clock() - began) / 1000,
    ...(failures[0] === undefined ? {} : { failures: { count: failures.length, first: failures[0] } }),
    ...(example === undefined ? {} : { example }),
  };
}
