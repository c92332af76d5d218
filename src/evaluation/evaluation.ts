/** The result of a K-step evaluation, which evaluation.json holds as well. */
import type { unreadableRules } from '../config/schema.js';

/** One row that a task shows before the first answer. */
export interface ShownRow {
  readonly text: string;
  readonly marks: string;
}

/** One task from its first attempt to its solution, for people to look at. */
export interface SolvedExample {
  readonly taskId: string;
  readonly openings: readonly ShownRow[];
  readonly steps: readonly ExampleStep[];
}

/** The current answer after k iterations. */
export interface ExampleStep {
  readonly k: number;
  readonly answer: string;
  readonly feedback?: string;
  readonly quality: number;
}

/**
 * The worth of an answer that cannot be read or is cut off, at its k: `count` is quality 0; `keep` is the quality of the
 * last readable answer. Under both the next iteration shows the last readable answer.
 */
export type UnreadableRule = (typeof unreadableRules)[number];

/**
 * Standard errors of a mean. `tasks` is clustered: the chains of one task count together, so it says how far the mean
 * would move with other tasks. `chains` takes every chain for a task of its own. Absent for fewer than two of them.
 */
export interface StandardError<Value> {
  readonly tasks?: Value;
  readonly chains?: Value;
}

/** Standard errors by measure; lists have one entry per k. */
export interface StandardErrors {
  readonly quality: StandardError<readonly number[]>;
  readonly solved: StandardError<readonly number[]>;
  readonly deltaQuality: StandardError<number>;
  readonly deltaSolved: StandardError<number>;
}

/**
 * Tasks, with as many draws each, at which a difference of 5 points in the solved share is found with 80 % power by a
 * two-sided test at 5 %. Absent where the measured variance is 0 or unknown.
 */
export interface TasksNeeded {
  /** Two models, unpaired, both with this evaluation's variance at K; the same tasks for both need fewer. */
  readonly models?: number;
  /** Δ_K of one model: the answers at 0 and at K, paired by task. */
  readonly gain?: number;
}

/**
 * Means over the chains (tasks × draws) that no infrastructure failed; every list has one entry per reported k, which
 * include 0 and K. Fields that may be absent are absent in files of version 0.1.
 */
export interface Evaluation {
  readonly k: readonly number[];
  /** Mean episode quality in [0, 1]. */
  readonly quality: readonly number[];
  /** Share of chains with quality 1. */
  readonly solved: readonly number[];
  /** Share of chains that went wrong → right between k − 1 and k; 0 at k = 0. */
  readonly fixed: readonly number[];
  /** Share of chains that went right → wrong between k − 1 and k; 0 at k = 0. */
  readonly broken: readonly number[];
  /** Σ of `fixed` over k = 1 … K, reported or not: corrections per chain. fixedTotal − brokenTotal = deltaSolved. */
  readonly fixedTotal: number;
  /** Σ of `broken` over k = 1 … K. */
  readonly brokenTotal: number;
  /** Share of chains whose answer at k could not be read or was cut off, to any turn. */
  readonly unreadable?: readonly number[];
  /** Mean of that share over k = 1 … K; absent for K = 0. */
  readonly unreadableRewrites?: number;
  /** The rule for those answers. */
  readonly unreadableRule?: UnreadableRule;
  /** Δ_K = quality(K) − quality(0). */
  readonly deltaQuality: number;
  /** solved(K) − solved(0). */
  readonly deltaSolved: number;
  readonly standardErrors?: StandardErrors;
  readonly tasksNeeded?: TasksNeeded;
  readonly tasks: number;
  /** Chains per task. */
  readonly draws: number;
  readonly seconds: number;
  /**
   * Chains with an answer that could not be generated or verified, which is unknown rather than wrong: no number includes
   * them. Absent when there are none.
   */
  readonly failures?: { readonly count: number; readonly first: string };
  readonly example?: SolvedExample;
}
