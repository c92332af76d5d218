/** Cuts a drawn history to a start, and finds the histories that a group reached. */
import { type History, prefix } from '../history.js';
import type { Rng } from '../rng.js';
import type { Group } from './group.js';
import { effects } from './outcome.js';
import type { Rollout } from './rollout.js';

/** Cuts the history to τ_{t⁻}^{k'}, with t⁻ uniform over the turns and k' uniform over the iterates of that turn. */
export function cutAtRandom(history: History, rng: Rng): History {
  if (history.turns.length === 0) return history;
  const turns = 1 + rng.int(history.turns.length);
  const iterates = history.turns[turns - 1]?.iterates.length ?? 0;
  return prefix(history, turns, 1 + rng.int(iterates));
}

/** Draws m⁺: the history that one member reached, uniform among those that reached any; undefined when none did. */
export function expand({ rollouts }: Group, rng: Rng): History | undefined {
  const reached = rollouts.flatMap((rollout) => reachedHistory(rollout) ?? []);
  return reached.length === 0 ? undefined : reached[rng.int(reached.length)];
}

/** Lists every per-turn partial history of m⁺, without m⁺ itself. */
export function partialHistories(history: History): History[] {
  return history.turns.slice(1).map((_, turn) => prefix(history, turn + 1));
}

/** Lists the history after each generated answer of the rollout, in the order of its turns. */
export function historiesAfter({ start, turns, history }: Pick<Rollout, 'start' | 'turns' | 'history'>): History[] {
  const earlier = start.history.turns.length - (start.intent === 'attempt' ? 0 : 1);
  return turns.map((_, at) => prefix(history, earlier + at + 1));
}

/** The history with the new turns before the first bad one; undefined when there is none. */
function reachedHistory(rollout: Rollout): History | undefined {
  const { turns, history, outcome } = rollout;
  const { expands } = effects[outcome.kind];
  if (expands === 'the whole history') return history;
  // A reward that failed leaves the quality of the last answer unknown.
  if (expands === 'nothing' || (outcome.kind === 'failed' && outcome.boundary === 'reward')) return undefined;
  const bad = turns.findIndex(({ verdict }) => !verdict.wellFormed);
  const readable = bad === -1 ? turns.length : bad;
  return historiesAfter(rollout)[readable - 1];
}
