/** Runs concurrent work under an abort signal: links signals, cancels the others when one fails, stops waiting. */
import { setMaxListeners } from 'node:events';
import { CancelledError } from './errors.js';

export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(): void;
  /** Stops listening to the outer signal. */
  unlink(): void;
}

/** Creates a signal that aborts with `outer` or by `abort`; `unlink` ends its dependence on `outer`. */
export function linkSignal(outer: AbortSignal | undefined): LinkedSignal {
  // AbortSignal.any would keep every derived signal alive as long as `outer`, which lives as long as a run.
  const inner = new AbortController();
  // Every request in flight adds a listener, and a batch has thousands of requests.
  setMaxListeners(0, inner.signal);
  const abort = (): void => inner.abort();
  outer?.addEventListener('abort', abort);
  if (outer?.aborted) abort();
  return { signal: inner.signal, abort, unlink: () => outer?.removeEventListener('abort', abort) };
}

function firstFailure(settled: readonly PromiseSettledResult<unknown>[]): unknown {
  const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  return reasons.find((reason) => !CancelledError.isInstance(reason)) ?? reasons[0];
}

/**
 * Starts `parts` with a signal that aborts with `outer` and when one part fails. Returns after all parts have ended.
 * @throws the error of the part that failed first, rather than the cancellations that it caused.
 */
export async function together<Value>(
  outer: AbortSignal | undefined,
  parts: (signal: AbortSignal) => readonly Promise<Value>[],
): Promise<Value[]> {
  const { signal, abort, unlink } = linkSignal(outer);
  try {
    const started = parts(signal);
    for (const part of started) part.catch(abort);
    const settled = await Promise.allSettled(started);
    if (settled.some((one) => one.status === 'rejected')) throw firstFailure(settled);
    return await Promise.all(started);
  } finally {
    unlink();
  }
}

export interface BoundedOptions {
  /** Calls of `work` in flight at most. */
  readonly limit: number;
  /** Aborts the signal that `work` receives. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `work(index)` for each index below `length`, in order, at most `limit` at a time. The first failure aborts the
 * signal of the calls in flight and starts no further ones. Returns after all started calls have ended.
 * @throws the error of the call that failed first, rather than the cancellations that it caused.
 */
export async function mapBounded<Value>(
  length: number,
  { limit, signal: outer }: BoundedOptions,
  work: (index: number, signal: AbortSignal) => Promise<Value>,
): Promise<Value[]> {
  const results = new Array<Value>(length);
  let next = 0;
  const worker = async (signal: AbortSignal): Promise<void> => {
    while (next < length) {
      if (signal.aborted) throw new CancelledError();
      const index = next++;
      results[index] = await work(index, signal);
    }
  };
  await together(outer, (signal) => Array.from({ length: Math.max(1, Math.min(limit, length)) }, () => worker(signal)));
  return results;
}

/**
 * Returns the result of `work`, unless `signal` fires first. It then stops waiting at once and drops the result, because a
 * reward function or a verifier may take minutes.
 * @throws CancelledError when `signal` fires.
 */
export async function untilAborted<Value>(signal: AbortSignal | undefined, work: Promise<Value>): Promise<Value> {
  if (signal === undefined) return work;
  work.catch(() => undefined);
  let cancel: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    cancel = () => reject(new CancelledError());
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
