/** Chooses one solved task to show: not solved at once, and solved early enough that its rows fit a page. */
import { lastIterate } from '../history.js';
import type { Task, TaskFamily } from '../task/task.js';
import type { Chain, Position } from './chain.js';
import type { ExampleStep, SolvedExample } from './evaluation.js';

/** Iterations of the chain that shows the improvement best. */
const favouriteLength = 4;

function toStep({ history }: Position, k: number): ExampleStep {
  const iterate = lastIterate(history);
  const step = { k, answer: iterate?.text ?? '', quality: iterate?.quality ?? 0 };
  return iterate?.feedback === undefined ? step : { ...step, feedback: iterate.feedback };
}

/**
 * Distance of a chain's length from the favourite one; undefined when it solved its task at once, or never, or when an
 * answer on the way cannot be read.
 */
function distance({ qualities, unreadable }: Chain): number | undefined {
  const solvedAt = qualities.findIndex((quality) => quality >= 1);
  return solvedAt > 0 && !unreadable.slice(0, solvedAt).includes(true)
    ? Math.abs(solvedAt - favouriteLength)
    : undefined;
}

/** Chooses the example among the chains of these tasks, one list per task; undefined when improving solved none. */
export function chooseExample(
  family: TaskFamily,
  tasks: readonly Task[],
  chains: readonly (readonly Chain[])[],
): SolvedExample | undefined {
  let best: { task: Task; chain: Chain; distance: number } | undefined;
  for (const [index, task] of tasks.entries()) {
    for (const chain of chains[index] ?? []) {
      const candidate = distance(chain);
      if (candidate !== undefined && candidate < (best?.distance ?? Number.POSITIVE_INFINITY))
        best = { task, chain, distance: candidate };
    }
  }
  if (best === undefined) return undefined;
  const { task, chain } = best;
  const last = chain.qualities.findIndex((quality) => quality >= 1);
  const steps = chain.positions.slice(0, last + 1).map(toStep);
  return { taskId: task.id, openings: family.openings?.(task) ?? [], steps };
}
