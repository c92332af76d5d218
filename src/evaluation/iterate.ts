/** K-step evaluation: attempt once, then improve K times; quality and solved share at every k, averaged over draws. */
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { emptyHistory } from '../history.js';
import type { Completion, Policy, Sampling } from '../policy/policy.js';
import { createRng, type Rng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { type Chain, type ChainContext, generateAnswers, runChain } from './chain.js';
import { countCorrections } from './corrections.js';
import type { Evaluation } from './evaluation.js';
import { chooseExample } from './example.js';

export interface EvaluationProgress {
  readonly tasksDone: number;
  readonly tasks: number;
}

export interface EvaluationOptions {
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  /** K: improve steps after the attempt. */
  readonly iterations: number;
  /** Chains per task; their attempts share one prompt. */
  readonly draws: number;
  readonly sampling: Sampling;
  /** Decides every random number, together with the tasks' ids. */
  readonly seed: number;
  /** Chains in flight; the result does not depend on it. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  /** Milliseconds; only `seconds` of the result comes from it. */
  readonly clock?: () => number;
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** All chains of one task. Where the shared request for the attempts failed, each chain attempts on its own. */
async function evaluateTask(
  context: ChainContext,
  { iterations, draws }: EvaluationOptions,
  rng: Rng,
): Promise<Chain[]> {
  const first = await generateAnswers(context, emptyHistory, 'attempt', rng.fork('attempt'), draws);
  const chain = (completion: Completion | undefined, draw: number): Promise<Chain> =>
    runChain(context, iterations, rng.fork('draw', draw), completion);
  return Promise.all(Array.from({ length: draws }, (_, draw) => chain(first?.[draw], draw)));
}

/** `work(index)` for each index below `length`, at most `limit` at a time; the first rejection stops the rest. */
async function mapBounded<Value>(
  length: number,
  limit: number,
  work: (index: number) => Promise<Value>,
): Promise<Value[]> {
  const results = new Array<Value>(length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < length) {
      const index = next++;
      try {
        results[index] = await work(index);
      } catch (error) {
        next = length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, length) }, worker));
  return results;
}

/** `work` under a signal that aborts with `outer`, or when a part of the work fails: no other part goes on for nothing. */
async function underSignal<Value>(
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const inner = new AbortController();
  // Every request in flight listens, and there are as many as chains.
  setMaxListeners(0, inner.signal);
  const abort = (): void => inner.abort();
  outer?.addEventListener('abort', abort);
  if (outer?.aborted) abort();
  try {
    return await work(inner.signal);
  } finally {
    outer?.removeEventListener('abort', abort);
    abort();
  }
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

/**
 * Evaluates a policy on tasks. Reads only: the policy is not changed.
 * @throws NativeError when the engine fails, CancelledError when `signal` fires. A failing task or judge is counted instead.
 */
export async function evaluateIterations(options: EvaluationOptions): Promise<Evaluation> {
  const { family, tasks, iterations, draws, concurrency = 256, clock = () => performance.now() } = options;
  const began = clock();
  const failures: string[] = [];
  const rng = createRng(options.seed).fork('evaluation');
  let tasksDone = 0;
  const limit = Math.max(1, Math.floor(concurrency / draws));
  const chains = await underSignal(options.signal, (signal) =>
    mapBounded(tasks.length, limit, async (index) => {
      const task = tasks[index] as Task;
      const context: ChainContext = { ...options, signal, task, onFailure: (detail) => failures.push(detail) };
      const done = await evaluateTask(context, options, rng.fork('task', task.id));
      options.onProgress?.({ tasksDone: ++tasksDone, tasks: tasks.length });
      return done;
    }),
  );
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
