/** Runs work in a bounded number of lanes. */

/** Runs all jobs, `count` at a time; returns results in the order of the jobs. */
export async function runJobs<Result>(jobs: readonly (() => Promise<Result>)[], count: number): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let job = jobs[next]; job !== undefined; job = jobs[next]) {
      const at = next++;
      results[at] = await job();
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}
