/**
 * Ends a run in which nothing can be judged. A group with a failed member is left out of an update; where every group
 * is, update after update, a reward, a verifier or a policy is broken, and going on would be success in name only.
 */
import { RewardError, TaskError } from '../errors.js';
import { type Group, hasFailed, isTrainable } from '../group.js';
import type { Outcome } from '../rollout.js';

/** Updates in a row without any group to train on, before training stops. */
const limit = 3;

type Failed = Extract<Outcome, { readonly kind: 'failed' }>;

function firstFailure(groups: readonly Group[]): Failed | undefined {
  const failed = groups.flatMap(({ rollouts }) => rollouts).find(hasFailed);
  return failed?.outcome.kind === 'failed' ? failed.outcome : undefined;
}

/** Told of the groups of each update. @throws RewardError or TaskError that says what failed first. */
export function createStallGuard(): (groups: readonly Group[]) => void {
  let inARow = 0;
  return (groups) => {
    const failure = groups.some(isTrainable) ? undefined : firstFailure(groups);
    inARow = failure === undefined ? 0 : inARow + 1;
    if (failure === undefined || inARow < limit) return;
    const { boundary, detail } = failure;
    const message = `${limit} updates in a row had no group that could be judged, so nothing was trained; the ${boundary} says: ${detail}`;
    throw boundary === 'reward' ? new RewardError(message, { detail }) : new TaskError(message, { boundary, detail });
  };
}
