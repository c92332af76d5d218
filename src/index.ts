/// <reference types="node" preserve="true" />
/**
 * exit-rl: trains language models to improve their own answers (Exploratory Iteration, arXiv 2509.04575).
 *
 * @example
 * import { codeBreaker, LocalPolicy, parseConfig, shippedModel, train } from 'exit-rl';
 *
 * const config = parseConfig({ task: 'code-breaker', model: shippedModel('tiny'), method: 'exit', updates: 2 });
 * const policy = await LocalPolicy.load(config.model, { device: config.device });
 * await train({ config, policy, family: codeBreaker() });
 * await policy.close();
 */
export type { ChatOptions } from './chat/template.js';
export { loadConfig, loadRunConfig } from './config/load.js';
export { parseConfig, type RunConfig, type RunConfigInput } from './config.js';
export { type PromptsOptions, promptsFamily, type Verifier } from './data/family.js';
export { type DataSet, type DataSettings, loadData } from './data/load.js';
export type { CacheStatistics } from './embedder/cache.js';
export type { Embedder, EmbeddingInput } from './embedder/embedder.js';
export { LocalEmbedder, type LocalEmbedderOptions } from './embedder/local.js';
export { createNgramEmbedder } from './embedder/ngram.js';
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
export { evaluateRewards, type RewardEvaluationOptions } from './evaluation/rewards.js';
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
export { type AdvantageSettings, groupAdvantages } from './method/advantage.js';
export { withUpdates } from './method/base-tasks.js';
export type { Curriculum, CurriculumState } from './method/curriculum.js';
export { applyDiversity, plainDiversity } from './method/diversity.js';
export { createExitCurriculum, type ExitCurriculumOptions } from './method/exit.js';
export { type Group, type GroupOptions, rolloutGroup } from './method/group.js';
export { type MethodName, methodNames } from './method/methods.js';
export type { Outcome, Rollout, RolloutTurn, Start } from './method/rollout.js';
export type { TrainSettings } from './method/settings.js';
export {
  type Demonstrated,
  type SupervisedOptions,
  type SupervisedSettings,
  trainSupervised,
} from './method/supervised.js';
export { createUniformCurriculum } from './method/uniform.js';
export type { GenerateOptions } from './policy/generation.js';
export { type DecodeOptions, LocalPolicy, type LocalPolicyOptions } from './policy/local.js';
export { type LoraOptions, type MergeRequest, mergeAdapter } from './policy/lora.js';
export { estimateMemory, type Workload } from './policy/memory.js';
export type {
  Completion,
  FinishReason,
  Generated,
  GenerateRequest,
  GrpoObjective,
  Policy,
  PolicySnapshot,
  Sampling,
  SaveOptions,
  SupervisedObjective,
  TokenBatch,
  TokenSequence,
  TrainingSequence,
  UpdateBatch,
  UpdateMetrics,
  UpdateSettings,
  WrittenFile,
} from './policy/policy.js';
export { defaultSampling } from './policy/sampling.js';
export type { GenerationStream, Streamed } from './policy/stream.js';
export { defaultTemplates, type PromptTemplates, promptFromTemplates } from './prompt.js';
export type { RewardBatch } from './reward/batch.js';
export { type LoadedRewards, loadRewards } from './reward/load.js';
export { type NamedReward, namedReward } from './reward/named.js';
export type { Answered, BatchReward, GroupReward, Reward, RewardFunction, RewardKind } from './reward/reward.js';
export { createRng, type Rng } from './rng.js';
export { bestCheckpoint, latestCheckpoint } from './run/checkpoint.js';
export { verifyCheckpoint } from './run/manifest.js';
export type { MetricsRow } from './run/metrics.js';
export { type OpenRunOptions, openRun, type Run } from './run/run.js';
export { type TrainOptions, type TrainResult, train } from './run/train.js';
export { type ShippedModel, shippedModel } from './shipped-models.js';
export { codeBreaker } from './task/code-breaker/family.js';
export type { Task, TaskFamily, Verdict } from './task/task.js';
