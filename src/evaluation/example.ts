/** Picks one solved task to show: not solved at once, and solved early enough that its rows fit a page. */
import { lastIterate } from '../history.js';
import type { Task, TaskFamily } from '../task/task.js';
import type { Chain, Position } from './chain.js';
import type { ExampleStep, SolvedExample } from './evaluation.js';

/** A path of this many iterations shows the improvement best. */
const favouriteLength = 4;

function stepAt({ history }: Position, k: number): ExampleStep {
  const iterate = lastIterate(history);
  const step = { k, answer: iterate?.text ?? '', quality: iterate?.quality ?? 0 };
  return iterate?.feedback === undefined ? step : { ...step, feedback: iterate.feedback };
}

/** How far a chain is from the favourite length; undefined when it never solved its task, or at once. */
function distance({ qualities }: Chain): number | undefined {
  const solvedAt = qualities.findIndex((quality) => quality >= 1);
  return solvedAt > 0 ? Math.abs(solvedAt - favouriteLength) : undefined;
}

/** The example among these chains (one task's list after the other); undefined when none was solved by improving. */
export function chooseExample(
  family: TaskFamily,
  tasks: readonly Task[],
  chains: readonly (readonly Chain[])[],
): SolvedExample | undefined {
  let best: { task: Task; chain: Chain; distance: number } | undefined;
  for (const [index, task] of tasks.entries()) {
    for (const chain of chains[index] ?? []) {
      const here = distance(chain);
      if (here !== undefined && here < (best?.distance ?? Number.POSITIVE_INFINITY))
        best = { task, chain, distance: here };
    }
  }
  if (best === undefined) return undefined;
  const { task, chain } = best;
  const last = chain.qualities.findIndex((quality) => quality >= 1);
  const steps = chain.positions.slice(0, last + 1).map(stepAt);
  return { taskId: task.id, openings: family.openings?.(task) ?? [], steps };
}
