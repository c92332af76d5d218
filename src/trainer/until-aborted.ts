/** Work that is given up when a signal fires, whatever it waits for. */
import { CancelledError } from '../errors.js';

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
