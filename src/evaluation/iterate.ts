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
  oneOf,
  positiveNumber,
  record,
  required,
  requireParts,
  wholeNumber,
} from '../arguments.js';
import { unreadableRules } from '../config/schema.js';
import { InvalidRequestError, TaskError } from '../errors.js';
import { generatorPart } from '../method/part-kinds.js';
import { samplingFields } from '../policy/generation.js';
import type { Policy, Sampling } from '../policy/policy.js';
import { createRng, type Rng } from '../rng.js';
import { requireFamily } from '../task/check.js';
import type { Task, TaskFamily } from '../task/task.js';
import { attemptTogether, type Chain, type ChainContext, runChain } from './chain.js';
import type { Evaluation, UnreadableRule } from './evaluation.js';
import { chooseExample } from './example.js';
import { measureChains } from './measure.js';

/** Progress of an evaluation, reported after each answer and each task. */
export interface EvaluationProgress {
  /** Tasks whose chains have all ended. */
  readonly tasksDone: number;
  /** All tasks of the evaluation. */
  readonly tasks: number;
  /** Answers of all chains that are measured, one for each k. Many tasks are in flight at once, so this grows sooner. */
  readonly answersDone: number;
  /** tasks × draws × (K + 1). */
  readonly answers: number;
}

/** The policy, the tasks and the settings of a K-step evaluation. */
export interface EvaluationOptions {
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  /** K: improve steps after the attempt. */
  readonly iterations: number;
  /** The k to report, at most K; 0 and K are always reported. By default all. Every step is generated all the same. */
  readonly at?: readonly number[];
  /** Chains per task; their attempts share one prompt. */
  readonly draws: number;
  readonly sampling: Sampling;
  /** Seeds every random stream, together with the tasks' ids. */
  readonly seed: number;
  /** The worth of an answer that cannot be read or is cut off; by default `count`: quality 0. */
  readonly unreadable?: UnreadableRule;
  /** Chains in flight, 256 by default; the result does not depend on it. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  /** Clock in milliseconds, for `seconds` of the result only; by default `performance.now()`. */
  readonly clock?: () => number;
}

/** No chain of an evaluation is complete: there is nothing to measure. */
export class UnmeasuredError extends TaskError {}

/** Runs all chains of one task. */
async function evaluateTask(context: ChainContext, draws: number, rng: Rng): Promise<(Chain | string)[]> {
  const first = await attemptTogether(context, draws, rng.fork('attempt'));
  return Promise.all(
    Array.from({ length: draws }, (_, draw) => runChain(context, rng.fork('draw', draw), first[draw])),
  );
}

/** Counts tasks and answers, and reports every change. */
function createCounter({ tasks, draws, iterations, onProgress }: EvaluationOptions) {
  const totals = { tasks: tasks.length, answers: tasks.length * draws * (iterations + 1) };
  let tasksDone = 0;
  let answersDone = 0;
  const report = (): void => onProgress?.({ tasksDone, answersDone, ...totals });
  return {
    onAnswer: (): void => {
      answersDone++;
      report();
    },
    onTask: (): void => {
      tasksDone++;
      report();
    },
  };
}

function runChains(options: EvaluationOptions): Promise<(Chain | string)[][]> {
  const { tasks, draws, concurrency = 256, unreadable = 'count' } = options;
  const rng = createRng(options.seed).fork('evaluation');
  const { onAnswer, onTask } = createCounter(options);
  const limit = Math.max(1, Math.floor(concurrency / draws));
  return mapBounded(tasks.length, { limit, signal: options.signal }, async (index, signal) => {
    const task = tasks[index] as Task;
    const context: ChainContext = { ...options, unreadable, signal, task, onAnswer };
    const chains = await evaluateTask(context, draws, rng.fork('task', task.id));
    onTask();
    return chains;
  });
}

const evaluationParts: Fields<EvaluationOptions> = {
  policy: required(generatorPart),
  family: required(anyRecord),
  tasks: required(listOf(anyRecord)),
  iterations: required(wholeNumber),
  at: listOf(wholeNumber),
  draws: required(positiveNumber),
  sampling: required(record(samplingFields)),
  seed: required(finiteNumber),
  unreadable: oneOf(...unreadableRules),
  concurrency: positiveNumber,
  signal: abortSignal,
  onProgress: callback,
  clock: callback,
};

/** @throws InvalidRequestError when a reported k is beyond K, or there are no tasks. */
function requireIterations({ tasks, iterations, at = [] }: EvaluationOptions): void {
  const beyond = at.find((k) => k > iterations);
  const refuse = (key: string, reason: string): never => {
    const message = `evaluateIterations: \`${key}\`: ${reason}`;
    throw new InvalidRequestError('INVALID_REQUEST', message, { key, reason });
  };
  if (tasks.length === 0) refuse('tasks', 'must hold at least one task');
  if (beyond !== undefined) refuse('at', `${beyond} is beyond \`iterations\`, which is ${iterations}`);
}

/**
 * Evaluates a policy on tasks over K iterations, and leaves the policy unchanged. Qualities and shares of the result are
 * in [0, 1]. An answer that cannot be read or is cut off counts as quality 0 at its k, or as `unreadable` says; a chain with
 * an answer that the task or the policy failed to give or verify is left out, and counted in `failures`.
 * @throws NativeError when the engine fails, CancelledError when the signal fires, InvalidRequestError for a part that is missing or
 * wrong, TaskError when every chain failed.
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
 * const { solved, standardErrors, fixedTotal, brokenTotal, unreadable } = evaluation;
 * console.log(solved, standardErrors?.solved.tasks, fixedTotal, brokenTotal, unreadable);
 * await policy.close();
 */
export async function evaluateIterations(options: EvaluationOptions): Promise<Evaluation> {
  requireParts('evaluateIterations', options, evaluationParts);
  requireFamily(options.family);
  requireIterations(options);
  const { family, tasks, iterations, at, draws, unreadable = 'count', clock = () => performance.now() } = options;
  const began = clock();
  const all = await runChains(options);
  const failures = all.flat().filter((chain) => typeof chain === 'string');
  const chains = all.map((ofTask) => ofTask.filter((chain) => typeof chain !== 'string'));
  const [first] = failures;
  if (first !== undefined && failures.length === all.flat().length) {
    throw new UnmeasuredError(`every chain of the evaluation failed: ${first}`, { chains: failures.length });
  }
  const example = family.turns === 1 ? chooseExample(family, tasks, chains) : undefined;
  return {
    ...measureChains(chains, { iterations, at, unreadable }),
    tasks: tasks.length,
    draws,
    seconds: (clock() - began) / 1000,
    ...(first === undefined ? {} : { failures: { count: failures.length, first } }),
    ...(example === undefined ? {} : { example }),
  };
}
