/**
 * How a rollout ends, and the effect of each outcome on the score of its start, on the baseline of its group and on the
 * buffer. docs/curriculum.md shows the same table.
 */

/** The part that failed a rollout. */
export type Boundary = 'task' | 'policy' | 'reward';

/**
 * `overlong`: a completion without terminator, or an episode whose next prompt does not fit the context. `malformed`: an
 * answer that the task could not read. `unscored`: every reward function returned null for the answer. `failed`:
 * infrastructure failed; the rollout has no quality and no reward.
 */
export type Outcome =
  | { readonly kind: 'finished' }
  | { readonly kind: 'overlong' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unscored' }
  | { readonly kind: 'failed'; readonly boundary: Boundary; readonly detail: string };

/** Which bad answers the score S of a start counts, at the quality that they got. */
export interface ScoreSettings {
  readonly overlong: 'include' | 'exclude';
  readonly unreadable: 'include' | 'exclude';
}

export const paperScore: ScoreSettings = { overlong: 'include', unreadable: 'include' };

/** The effect of an outcome. */
export interface Effect {
  /** Whether S counts the member's quality; a setting decides where its name stands. */
  readonly score: 'counts' | 'does not count' | keyof ScoreSettings;
  /** Whether the group's baseline counts the member's reward. */
  readonly baseline: 'counts' | 'does not count' | 'drops the group';
  /** The part of the member's history that can become m⁺. */
  readonly expands: 'the whole history' | 'its readable turns' | 'nothing';
}

export const effects: Readonly<Record<Outcome['kind'], Effect>> = {
  finished: { score: 'counts', baseline: 'counts', expands: 'the whole history' },
  malformed: { score: 'unreadable', baseline: 'counts', expands: 'its readable turns' },
  overlong: { score: 'overlong', baseline: 'counts', expands: 'its readable turns' },
  unscored: { score: 'does not count', baseline: 'does not count', expands: 'nothing' },
  failed: { score: 'does not count', baseline: 'drops the group', expands: 'its readable turns' },
};

/** Whether S counts the quality of a rollout with this outcome. */
export function countsInScore({ kind }: Outcome, settings: ScoreSettings): boolean {
  const { score } = effects[kind];
  if (score === 'counts' || score === 'does not count') return score === 'counts';
  return settings[score] === 'include';
}

/** Whether the outcome keeps the whole group out of training. */
export const dropsGroup = ({ kind }: Outcome): boolean => effects[kind].baseline === 'drops the group';
