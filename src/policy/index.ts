/**
 * `exit-rl/policy`: loads a model folder for generation and training, merges adapters, estimates memory.
 */
export type { ChatOptions } from '../chat/template.js';
export { type LoraOptions, type MergeRequest, mergeAdapter } from './adapters.js';
export { estimateMemory, type Workload } from './estimate-memory.js';
export type { GenerateOptions } from './generation.js';
export { type DecodeOptions, type EncodePromptOptions, LocalPolicy, type LocalPolicyOptions } from './local-policy.js';
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
  TokenBatch,
  TokenRules,
  TokenSequence,
  TrainingSequence,
  UpdateBatch,
  UpdateMetrics,
  UpdateSettings,
  WrittenFile,
} from './policy.js';
export { defaultSampling, neutralRules } from './sampling.js';
export { defaultUpdate, supervisedObjective } from './settings.js';
export type { GenerationStream, Streamed } from './stream.js';
