/**
 * exit-rl: trains language models to improve their own answers (Exploratory Iteration, arXiv 2509.04575).
 *
 * @example
 * const config = parseConfig({ task: 'reds', model: 'models/tiny', method: 'exit', updates: 100 });
 * const policy = await LocalPolicy.load(config.model, config);
 * await train({ config, policy, family });
 */
export { type AdvantageSettings, groupAdvantages } from './advantage.js';
export type { ChatOptions } from './chat/template.js';
export { loadConfig, loadRunConfig } from './config/load.js';
export { parseConfig, type RunConfig, type RunConfigInput } from './config.js';
export type { Curriculum, CurriculumState } from './curriculum/curriculum.js';
export { createExitCurriculum, type ExitCurriculumOptions } from './curriculum/exit.js';
export { createUniformCurriculum } from './curriculum/uniform.js';
export { type PromptsOptions, promptsFamily, type Verifier } from './data/family.js';
export { type DataSet, type DataSettings, loadData } from './data/load.js';
export { applyDiversity, plainDiversity } from './diversity.js';
export type { CacheStatistics } from './embedder/cache.js';
export { LocalEmbedder, type LocalEmbedderOptions } from './embedder/local.js';
export {
  CancelledError,
  ChatTemplateError,
  CheckpointCorruptError,
  ConfigError,
  type ConfigProblem,
  DataError,
  type DataProblem,
  DeviceError,
  ExitError,
  HubError,
  InvalidRequestError,
  ModelFolderError,
  NativeError,
  NonFiniteError,
  OutOfMemoryError,
  PolicyClosedError,
  PromptTooLongError,
  RewardError,
  RewardTimeoutError,
  RunFolderError,
  TaskError,
  TokenizerError,
  UsageError,
} from './errors.js';
export type { Evaluation } from './evaluation/evaluation.js';
export { type EvaluationOptions, evaluateIterations } from './evaluation/iterate.js';
export { measuredFamily } from './evaluation/measured.js';
export { type Group, type GroupOptions, rolloutGroup } from './group.js';
export {
  emptyHistory,
  type History,
  historyKey,
  type Intent,
  type Iterate,
  lastIterate,
  type Turn,
} from './history.js';
export { type Fetched, type FetchOptions, fetchModel } from './hub/fetch.js';
export type { Message, Prompt, ToolCall } from './message.js';
export { LocalPolicy, type LocalPolicyOptions } from './policy/local.js';
export { type LoraOptions, type MergeRequest, mergeAdapter } from './policy/lora.js';
export { estimateMemory, type Workload } from './policy/memory.js';
export type {
  Completion,
  FinishReason,
  Generated,
  GenerateRequest,
  Objective,
  Policy,
  PolicySnapshot,
  Sampling,
  SaveOptions,
  TrainingSequence,
  UpdateBatch,
  UpdateMetrics,
  UpdateSettings,
  WrittenFile,
} from './policy/policy.js';
export { defaultUpdate, supervisedObjective } from './policy/settings.js';
export type { GenerationStream, Streamed } from './policy/stream.js';
export { defaultTemplates, type PromptTemplates, promptFromTemplates } from './prompt.js';
export type { RewardBatch } from './reward/batch.js';
export { type LoadedRewards, loadRewards } from './reward/load.js';
export { type NamedReward, namedReward } from './reward/named.js';
export type { Answered, BatchReward, GroupReward, Reward, RewardFunction, RewardKind } from './reward.js';
export { createRng, type Rng } from './rng.js';
export type { Outcome, Rollout, RolloutTurn, Start } from './rollout.js';
export { codeBreaker } from './task/code-breaker/family.js';
export type { Task, TaskFamily, Verdict } from './task/task.js';
export { bestCheckpoint } from './trainer/best-checkpoint.js';
export { latestCheckpoint } from './trainer/checkpoint.js';
export { createNgramEmbedder, type Embedder } from './trainer/embedder.js';
export { withUpdates } from './trainer/epochs.js';
export { evaluateRewards, type RewardEvaluationOptions } from './trainer/evaluate.js';
export { verifyCheckpoint } from './trainer/manifest.js';
export { type Method, methodNames } from './trainer/methods.js';
export type { MetricsRow } from './trainer/metrics.js';
export { type OpenRunOptions, openRun, type Run } from './trainer/run.js';
export type { TrainSettings } from './trainer/settings.js';
export {
  type Demonstrated,
  type SupervisedOptions,
  type SupervisedSettings,
  trainSupervised,
} from './trainer/supervised.js';
export { type TrainOptions, type TrainResult, train } from './trainer/trainer.js';
