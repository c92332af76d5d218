/**
 * The interface every task family implements. Behaviour lives in the family, data in the task:
 * a family holds no state between calls, so any history can be continued at any time.
 */
import type { History, Intent } from '../history.js';
import type { Prompt } from '../message.js';

/** One problem: an id that is unique in its family, and frozen, serialisable data. */
export interface Task<Data = unknown> {
  readonly id: string;
  readonly data: Data;
}

/** What the verifier says of one answer. */
export interface Verdict {
  /** The task's own measure of this turn's answer, rescaled to [0, 1]. */
  readonly quality: number;
  /** False when the answer could not be read at all: it never becomes a start. */
  readonly wellFormed: boolean;
  /** What the environment says back (marks, error trace, tool output); shown at the next iteration. */
  readonly feedback?: string;
  /** True when the episode ends with this turn, whatever `turns` says. */
  readonly done?: boolean;
}

export interface TaskFamily<Data = unknown> {
  readonly name: string;
  /** Turns of an episode, 1 for single-turn tasks. */
  readonly turns: number;
  /**
   * What measures quality: `judge` (the default), or the reward functions of the run, whose weighted sum is rescaled to
   * [0, 1]; `judge` then says only whether an answer can be read.
   */
  readonly measuredBy?: 'judge' | 'rewards';
  /** The tasks of a split (`train`, `test`, or a name the family defines). The same call gives the same tasks. */
  tasks(split: string): readonly Task<Data>[];
  /** What the policy sees, as text or as messages: attempt at the turn after `history`, or a rewrite of the history's last turn. */
  prompt(task: Task<Data>, history: History, intent: Intent): Prompt;
  /**
   * Judges `answer`, given to `prompt(task, history, intent)`: an attempt answers the turn after `history`, any other
   * intent rewrites its last turn. `tokens` are the answer's, end token included. A rejected promise is a failed
   * rollout, not a reward.
   */
  judge(
    task: Task<Data>,
    history: History,
    answer: string,
    intent: Intent,
    tokens?: readonly number[],
  ): Verdict | Promise<Verdict>;
  /** Rows that the task shows before any answer, with their marks; reports draw them above the answers. */
  openings?(task: Task<Data>): readonly { readonly text: string; readonly marks: string }[];
  /** Ends what the family started, a verifier's thread for example; nothing is asked of it afterwards. */
  close?(): Promise<void>;
  /** Quality of a whole episode in [0, 1]; by default the sum of the turns' qualities over `turns`. */
  episodeQuality?(task: Task<Data>, history: History): number;
}
