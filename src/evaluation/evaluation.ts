/** The result of a K-step evaluation, which evaluation.json holds as well. */

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

/** Means over all chains (tasks × draws); every list has one entry per k, from 0 to K. */
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
  /** Δ_K = quality(K) − quality(0). */
  readonly deltaQuality: number;
  /** solved(K) − solved(0). */
  readonly deltaSolved: number;
  /** Σ_k (fixed − broken): net corrections per chain up to K. */
  readonly netCorrections: number;
  readonly tasks: number;
  /** Chains per task. */
  readonly draws: number;
  readonly seconds: number;
  /** Answers that could not be generated or verified: the chain keeps its earlier answer. Absent when there are none. */
  readonly failures?: { readonly count: number; readonly first: string };
  readonly example?: SolvedExample;
}
