/** Runs jobs side by side, in order, a few at a time. */

/**
 * Starts `jobs` in order, at most `width` at a time. When one fails `onFailure` is told at once (to stop the others)
 * and none is started any more; rejects with the first failure when all that were started have ended.
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
