/**
 * A partial history τ_t^k: for every turn so far its iterates y_t^0 … y_t^k, oldest first.
 * Prompts show only the last iterate of an earlier turn; the older iterates are kept because the curriculum may start
 * from any of them. Histories are immutable values.
 */
import { createHash } from 'node:crypto';

/** The kind of answer that the prompt requests: `attempt` a first one, `improve` a better one, `diverge` a different one. */
export type Intent = 'attempt' | 'improve' | 'diverge';

/** One version of the answer at a turn. The token ids are authoritative: an iterate is never re-tokenised. */
export interface Iterate {
  readonly text: string;
  /** Ids of the generated tokens, end token included. */
  readonly tokens: readonly number[];
  /** The task's own measure of the answer, in [0, 1]. */
  readonly quality: number;
  /** The environment's response to this answer; absent when the task gives none. */
  readonly feedback?: string;
  /** True when the verdict ended the episode with this answer. */
  readonly done?: true;
}

/** One turn t of an episode with its iterates y^0 … y^k, oldest first; it has at least one. */
export interface Turn {
  readonly iterates: readonly Iterate[];
}

/** A history τ: the turns of an episode so far. An immutable value; a base task's history has no turns. */
export interface History {
  readonly turns: readonly Turn[];
}

/**
 * The history of a base task: no turns.
 *
 * @example
 * import { emptyHistory, lastIterate } from 'exit-rl/method';
 *
 * console.log(emptyHistory.turns.length, lastIterate(emptyHistory)); // 0 undefined
 */
export const emptyHistory: History = { turns: [] };

/** Returns the history with `iterate` appended to `turn` (from 0). @throws RangeError when there is no such turn. */
export function append(history: History, turn: number, iterate: Iterate): History {
  turnAt(history, turn);
  return {
    turns: history.turns.map((old, at) => (at === turn ? { iterates: [...old.iterates, iterate] } : old)),
  };
}

/** Returns the history with a new turn, whose first attempt (k = 0) is `iterate`. */
export function openTurn(history: History, iterate: Iterate): History {
  return { turns: [...history.turns, { iterates: [iterate] }] };
}

/**
 * Returns τ_{t⁻}^{k'}: the first `turns` turns; of the last of these only the first `lastIterates` iterates (k' + 1 of
 * them), by default all. `prefix(history, 0)` is the base task's empty history.
 * @throws RangeError when the history has fewer turns or iterates.
 *
 * @example
 * import { depth, type History, prefix } from 'exit-rl/method';
 *
 * const iterate = (text: string) => ({ text, tokens: [7], quality: 0 });
 * const history: History = { turns: [{ iterates: [iterate('41'), iterate('42')] }, { iterates: [iterate('7')] }] };
 * console.log(depth(prefix(history, 1)), depth(prefix(history, 1, 1))); // 2 1
 */
export function prefix(history: History, turns: number, lastIterates?: number): History {
  if (turns === 0) return emptyHistory;
  const last = turnAt(history, turns - 1);
  const kept = lastIterates ?? last.iterates.length;
  if (kept < 1 || kept > last.iterates.length) {
    throw new RangeError(`prefix: turn ${turns - 1} has ${last.iterates.length} iterates, ${kept} were requested`);
  }
  return { turns: [...history.turns.slice(0, turns - 1), { iterates: last.iterates.slice(0, kept) }] };
}

/**
 * Returns the current iterate of `turn` (from 0), by default of the last turn; undefined where there is no answer yet.
 *
 * @example
 * import { type History } from 'exit-rl';
 * import { lastIterate } from 'exit-rl/method';
 *
 * const history: History = { turns: [{ iterates: [{ text: '41', tokens: [7], quality: 0, feedback: 'too low' }] }] };
 * console.log(lastIterate(history)?.feedback); // too low
 */
export function lastIterate(history: History, turn = history.turns.length - 1): Iterate | undefined {
  return history.turns[turn]?.iterates.at(-1);
}

/**
 * Returns the history one answer earlier: without the last iterate of the last turn, or without the turn where it has no
 * other. Undefined for a base task.
 */
export function parent(history: History): History | undefined {
  const turns = history.turns.length;
  if (turns === 0) return undefined;
  const earlier = depth(history) - 1;
  return earlier > 0 ? prefix(history, turns, earlier) : prefix(history, turns - 1);
}

/**
 * Returns the number of iterates of the last turn: the k of its next rewrite. 0 for a base task.
 *
 * @example
 * import { depth, emptyHistory } from 'exit-rl/method';
 *
 * console.log(depth(emptyHistory)); // 0
 */
export function depth(history: History): number {
  return history.turns.at(-1)?.iterates.length ?? 0;
}

/** Returns the history with the quality of its last iterate replaced. */
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

// 132 bits: collisions do not occur in practice, and a long run's set of seen starts stays small.
const keyLength = 22;

/**
 * Returns the identity of (task, history), 22 characters of base64url: the first 132 bits of a SHA-256 over the task's id
 * and the token ids and feedback of every iterate. Texts and qualities do not count.
 *
 * @example
 * import { emptyHistory, historyKey } from 'exit-rl/method';
 *
 * console.log(historyKey('task-1', emptyHistory) === historyKey('task-2', emptyHistory)); // false
 */
export function historyKey(taskId: string, history: History): string {
  const turns = history.turns.map(({ iterates }) => iterates.map(({ tokens, feedback }) => [tokens, feedback ?? null]));
  return createHash('sha256')
    .update(JSON.stringify([taskId, turns]))
    .digest('base64url')
    .slice(0, keyLength);
}

function turnAt(history: History, turn: number): Turn {
  const found = history.turns[turn];
  if (!found) throw new RangeError(`the history has ${history.turns.length} turns, so there is no turn ${turn}`);
  return found;
}
