/** Runs jobs concurrently with a limit. */

/**
 * Starts `jobs` in order, at most `width` at a time. When one fails, calls `onFailure` at once (to stop the others) and
 * starts no more; rejects with the first failure when all started jobs have ended.
 */
export async function runPool(
  jobs: readonly (() => Promise<void>)[],
  width: number,
  onFailure: () => void,
): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length && failures.length === 0) {
      try {
        await jobs[next++]?.();
      } catch (error) {
        failures.push(error);
        onFailure();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(width, jobs.length)) }, worker));
  if (failures.length > 0) throw failures[0];
}
