/**
 * `exit-rl/evaluation`: K-step self-improvement and reward functions on held-out tasks.
 */

export { evaluateRewards, type RewardEvaluationOptions } from './evaluate-rewards.js';
export type {
  Evaluation,
  StandardError,
  StandardErrors,
  TasksNeeded,
  UnreadableRule,
} from './evaluation.js';
export { type EvaluationOptions, type EvaluationProgress, evaluateIterations } from './iterate.js';
export { measuredFamily } from './measured.js';
