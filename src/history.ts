/**
 * A partial history τ_t^k: for every turn so far its iterates y_t^0 … y_t^k, oldest first.
 * Only the last iterate of an earlier turn is ever shown; the older ones are kept because the
 * curriculum may start again from any of them. Histories are values: nothing here mutates.
 */
import { createHash } from 'node:crypto';

/** What the policy is asked for: a first answer, a better one, or a different one. */
export type Intent = 'attempt' | 'improve' | 'diverge';

/** One version of the answer at a turn. Token ids are the truth; an iterate is never re-tokenised. */
export interface Iterate {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly quality: number;
  readonly feedback?: string;
}

export interface Turn {
  readonly iterates: readonly Iterate[];
}

export interface History {
  readonly turns: readonly Turn[];
}

/** The history of a base task: nothing said yet. */
export const emptyHistory: History = { turns: [] };

/** The history in which `turn` (from 0) holds one iterate more, as its latest. */
export function append(history: History, turn: number, iterate: Iterate): History {
  turnAt(history, turn);
  return {
    turns: history.turns.map((old, at) => (at === turn ? { iterates: [...old.iterates, iterate] } : old)),
  };
}

/** The history with one turn more, whose first attempt (k = 0) is `iterate`. */
export function openTurn(history: History, iterate: Iterate): History {
  return { turns: [...history.turns, { iterates: [iterate] }] };
}

/**
 * τ_{t⁻}^{k'}: the first `turns` turns; of the last one only its first `lastIterates` iterates (k' + 1 of them),
 * by default all. `prefix(history, 0)` is the base task's empty history.
 */
export function prefix(history: History, turns: number, lastIterates?: number): History {
  if (turns === 0) return emptyHistory;
  const last = turnAt(history, turns - 1);
  const kept = lastIterates ?? last.iterates.length;
  if (kept < 1 || kept > last.iterates.length) {
    throw new RangeError(`prefix: turn ${turns - 1} has ${last.iterates.length} iterates, ${kept} were asked for`);
  }
  return { turns: [...history.turns.slice(0, turns - 1), { iterates: last.iterates.slice(0, kept) }] };
}

/** The current iterate of `turn`, by default of the last turn; undefined when nothing was said there. */
export function lastIterate(history: History, turn = history.turns.length - 1): Iterate | undefined {
  return history.turns[turn]?.iterates.at(-1);
}

/** Number of iterates of the last turn: the k at which the next rewrite of it stands. 0 for a base task. */
export function depth(history: History): number {
  return history.turns.at(-1)?.iterates.length ?? 0;
}

/** The history whose last iterate has this quality. */
export function withLastQuality(history: History, quality: number): History {
  const last = history.turns.length - 1;
  return {
    turns: history.turns.map((turn, at) => {
      if (at !== last) return turn;
      const iterates = turn.iterates.map((one, k) => (k === turn.iterates.length - 1 ? { ...one, quality } : one));
      return { iterates };
    }),
  };
}

// 132 bits: a collision is out of reach, and a long run's set of seen starts stays small.
const keyLength = 22;

/** The identity of (task, history): equal for the same token ids, feedback and turns, different otherwise. */
export function historyKey(taskId: string, history: History): string {
  const said = history.turns.map(({ iterates }) => iterates.map(({ tokens, feedback }) => [tokens, feedback ?? null]));
  return createHash('sha256')
    .update(JSON.stringify([taskId, said]))
    .digest('base64url')
    .slice(0, keyLength);
}

function turnAt(history: History, turn: number): Turn {
  const found = history.turns[turn];
  if (!found) throw new RangeError(`turn ${turn} of a history of ${history.turns.length} turns`);
  return found;
}
