/** Runs parts of one piece of work side by side: when one fails the others are cancelled, and all have ended on return. */
import { CancelledError } from './errors.js';

function firstFailure(settled: readonly PromiseSettledResult<unknown>[]): unknown {
  const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  return reasons.find((reason) => !CancelledError.isInstance(reason)) ?? reasons[0];
}

/**
 * Starts `parts` with a signal that aborts with `outer`, or when one part fails. Rejects with what failed first,
 * rather than with the cancellations that it caused.
 */
export async function together<Value>(
  outer: AbortSignal | undefined,
  parts: (signal: AbortSignal) => readonly Promise<Value>[],
): Promise<Value[]> {
  // Not AbortSignal.any: on a signal as long-lived as a run it keeps every derived signal alive.
  const inner = new AbortController();
  const abort = (): void => inner.abort();
  outer?.addEventListener('abort', abort);
  if (outer?.aborted) abort();
  try {
    const started = parts(inner.signal);
    for (const part of started) part.catch(abort);
    const settled = await Promise.allSettled(started);
    if (settled.some((one) => one.status === 'rejected')) throw firstFailure(settled);
    return await Promise.all(started);
  } finally {
    outer?.removeEventListener('abort', abort);
  }
}

/** What `work` waits for (a reward function, a verifier) may take minutes; its result is dropped then. @throws CancelledError. */
export async function untilAborted<Value>(signal: AbortSignal | undefined, work: Promise<Value>): Promise<Value> {
  if (signal === undefined) return work;
  work.catch(() => undefined);
  let give: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    give = () => reject(new CancelledError());
    if (signal.aborted) give();
    signal.addEventListener('abort', give);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}
