/**
 * `exit-rl/method`: the parts of Algorithm 1, for your own curricula, estimators and training loops.
 */
export {
  depth,
  emptyHistory,
  type History,
  historyKey,
  type Intent,
  type Iterate,
  lastIterate,
  prefix,
  type Turn,
} from '../history.js';
export { createRng, type Rng } from '../rng.js';
export { type AdvantageSettings, groupAdvantages } from './advantage.js';
export { withUpdates } from './base-tasks.js';
export type { Curriculum, CurriculumState } from './curriculum.js';
export { applyDiversity, plainDiversity } from './diversity.js';
export { createExitCurriculum, type ExitCurriculumOptions } from './exit.js';
export { type Group, type GroupOptions, rolloutGroup } from './group.js';
export { type MethodName, methodNames } from './methods.js';
export type { Outcome, ScoreSettings } from './outcome.js';
export type { PrioritySettings } from './priority.js';
export type { Rollout, RolloutTurn, Start, StartOrigin } from './rollout.js';
export { learnabilityScore } from './score.js';
export {
  type Demonstrated,
  type SupervisedOptions,
  type SupervisedSettings,
  trainSupervised,
} from './supervised.js';
export type { TrainSettings } from './train-settings.js';
export { createUniformCurriculum, type UniformCurriculumOptions } from './uniform.js';
