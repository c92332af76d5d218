/**
 * The interface that every task family implements. The family holds the behaviour, the task holds the data:
 * a family keeps no state between calls, so any history can be continued at any time.
 */
import type { History, Intent } from '../history.js';
import type { Prompt } from '../message.js';

/** One task: an id that is unique in its family, and frozen, serialisable data. */
export interface Task<Data = unknown> {
  readonly id: string;
  readonly data: Data;
}

/** The verifier's result for one answer. */
export interface Verdict {
  /** The task's own measure of this turn's answer, rescaled to [0, 1]. */
  readonly quality: number;
  /** False when the answer cannot be parsed: it never becomes a start. */
  readonly wellFormed: boolean;
  /** The task's feedback (marks, error trace, tool output); the next iteration's prompt shows it. */
  readonly feedback?: string;
  /** True when the episode ends with this turn, whatever the value of `turns`. */
  readonly done?: boolean;
}

/** A family of tasks: builds prompts and verifies answers. It keeps no state between calls, and its tasks do not change. */
export interface TaskFamily<Data = unknown> {
  readonly name: string;
  /** Turns of an episode; 1 for single-turn tasks. */
  readonly turns: number;
  /**
   * `verifier` (the default): `verify` measures quality. `rewards`: the run's reward functions measure it, as
   * their weighted sum rescaled to [0, 1]; `verify` then only decides whether an answer is well formed.
   */
  readonly measuredBy?: 'verifier' | 'rewards';
  /**
   * False when its text prompts hold their special tokens themselves. By default the tokenizer puts its own around them, as
   * transformers' `tokenizer(text)` does.
   */
  readonly addSpecialTokens?: boolean;
  /**
   * True when `verify` and `episodeQuality` may be called twice for the same answer: after an error they then get one more
   * call. False by default: a verifier may act on something, or take minutes.
   */
  readonly repeatable?: boolean;
  /** Returns the tasks of a split (`train`, `test`, or a name the family defines). The same call gives the same tasks. */
  tasks(split: string): readonly Task<Data>[];
  /**
   * Builds the prompt, as text or as messages: for an attempt at the turn after `history`, or for a rewrite of the
   * history's last turn.
   */
  prompt(task: Task<Data>, history: History, intent: Intent): Prompt;
  /**
   * Verifies `answer`, the policy's reply to `prompt(task, history, intent)`: an attempt answers the turn after
   * `history`, any other intent rewrites its last turn. `tokens` are the answer's ids, end token included. A rejected
   * promise fails the rollout; it is never a reward.
   */
  verify(
    task: Task<Data>,
    history: History,
    answer: string,
    intent: Intent,
    tokens?: readonly number[],
  ): Verdict | Promise<Verdict>;
  /** Returns the rows that the task shows before any answer, with their marks; reports draw them above the answers. */
  openings?(task: Task<Data>): readonly { readonly text: string; readonly marks: string }[];
  /** Releases the family's resources, for example a verifier's thread; no call follows. */
  close?(): Promise<void>;
  /**
   * Returns the quality of a whole episode in [0, 1]; by default the sum of the turns' qualities divided by `turns`, or by
   * the turns played where an answer of quality 1 ended the episode (`done`).
   */
  episodeQuality?(task: Task<Data>, history: History): number;
}
