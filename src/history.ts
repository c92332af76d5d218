/**
 * A partial history τ_t^k: for every turn so far its iterates y_t^0 … y_t^k, oldest first.
 * Only the last iterate of an earlier turn is ever shown; the older ones are kept because the
 * curriculum may start again from any of them. Histories are values: nothing here mutates.
 */

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
