/**
 * `exit-rl/run`: whole runs in one call, and the assembly of their parts from a config.
 */
export { openEmbedder } from '../embedder/open.js';
export { loadRunPolicy, openParts, type RunParts } from './assemble.js';
export {
  type EvaluatedRun,
  type EvaluatePolicyOptions,
  type EvaluateRunOptions,
  type EvaluationReport,
  type EvaluationSettings,
  evaluatePolicy,
  evaluateRun,
} from './evaluate-run.js';
export { type FamilyOptions, findFamily } from './families.js';
export type { MetricsRow } from './metrics.js';
export { type PeriodicEvaluation, periodicEvaluation } from './periodic-evaluation.js';
export { type OpenRunOptions, openRun, type Run } from './run.js';
export { type TrainOptions, type TrainResult, train } from './train.js';
export { type BegunRun, type RunObserver, type TrainRunOptions, type TrainRunResult, trainRun } from './train-run.js';
