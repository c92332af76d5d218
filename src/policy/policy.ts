/** The policy as the method sees it: text or tokens in, completions and log-probabilities out, updates. */
import type { ChatOptions } from '../chat/template.js';
import type { Prompt } from '../message.js';
import type { UpdateSettings } from './settings.js';

export type { EntropyState, Objective, OptimizerSettings, UpdateSettings } from './settings.js';

export interface Sampling {
  /** 0 is greedy. Log-probabilities are taken at this temperature (at 1 when greedy). */
  readonly temperature: number;
  readonly maxNewTokens: number;
  /** Keep the k likeliest tokens; 0 or absent keeps all. */
  readonly topK?: number;
  /** Keep the smallest set with at least this probability; 1 or absent keeps all. */
  readonly topP?: number;
  /** Drop tokens below this share of the likeliest token's probability; 0 or absent keeps all. */
  readonly minP?: number;
  /** Ends a completion, beside the folder's own end-of-sequence ids. */
  readonly stopTokenIds?: readonly number[];
  /** Ends a completion as soon as its text holds one of them; the text is cut before it, tokens stay as sampled. */
  readonly stop?: readonly string[];
  /** Leaves the stop text at the end of the completion's text. */
  readonly includeStopText?: boolean;
}

export interface GenerateRequest {
  /** Text, messages for the folder's chat template, or token ids. */
  readonly prompt: Prompt | readonly number[] | Int32Array;
  /** How the chat template renders messages: tools, date, further variables. */
  readonly chat?: ChatOptions;
  /** Completions of this prompt (the group size); the prompt is prefilled once. */
  readonly n: number;
  readonly sampling: Sampling;
  /** Together with `requestId`, completion index and position this decides every random number. */
  readonly seed: number;
  /** A whole number in [0, 2^53). */
  readonly requestId: number;
  readonly signal?: AbortSignal;
}

/** `stop`: an end token (the last of `tokens`) or a stop text was generated; `length`: `maxNewTokens` or the context ran out. */
export type FinishReason = 'stop' | 'length' | 'abort';

export interface Completion {
  readonly tokens: Int32Array;
  /** log π(token) under the full softmax at the sampling temperature, one per token. */
  readonly logprobs: Float32Array;
  /** Decoded tokens without special ones, up to a stop text. */
  readonly text: string;
  readonly finishReason: FinishReason;
}

export interface Generated {
  readonly promptTokens: Int32Array;
  readonly completions: readonly Completion[];
}

/** One trained sequence: the tokens generated after a prompt. */
export interface TrainingSequence {
  /** Index into `UpdateBatch.prompts`. Sequences of one prompt stand together. */
  readonly prompt: number;
  readonly tokens: Int32Array;
  /** Sequences of one rollout (its turns) share a number and are normalised together. */
  readonly rollout: number;
  readonly advantage: number;
  /** 1 trains the token, 0 leaves it out; absent trains all. */
  readonly mask?: Uint8Array;
  /** The sampler's log-probabilities: metrics, π_old where `oldPolicy` is `behaviour`, and what `correction` corrects. */
  readonly logprobs?: Float32Array;
  /** The optimizer step of an epoch that it belongs to; absent everywhere, one step takes the whole batch. */
  readonly step?: number;
}

export interface UpdateBatch {
  readonly prompts: readonly Int32Array[];
  readonly sequences: readonly TrainingSequence[];
}

/** Metrics of one update by TRL's names: loss, grad_norm, entropy, kl, clip_ratio/…, sampling/…, num_tokens. */
export type UpdateMetrics = Readonly<Record<string, number>>;

/** A file that is on the disk, with what a manifest says of it. */
export interface WrittenFile {
  /** Relative to the folder that was written. */
  readonly name: string;
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface SaveOptions {
  /** Weights go into files of at most this size, with an index where there are several; 5 GB unless said otherwise. */
  readonly maxShardBytes?: number;
}

/** The name of the file with optimizer state, unrounded weights and reference weights. */
export const trainingFile = 'training.safetensors';

export interface SnapshotOptions {
  /** false: no copy is made, and what is written is the policy as it is then: it must not be updated before. */
  readonly copy?: boolean;
}

/** A policy at one moment, held in memory until it is written. */
export interface PolicySnapshot {
  /** Writes what `save` writes, and `trainingFile`, into an existing folder, once. Resolves when all is on the disk. */
  write(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
}

/** How a sequence's hidden states become one vector: their mean, or the last. */
export type StatePooling = 'mean' | 'lasttoken';

export interface Policy {
  /** Number of updates made to these weights. */
  readonly version: number;
  generate(request: GenerateRequest): Promise<Generated>;
  /** Per-token log-probabilities of each sequence's tokens after its prompt, at `temperature`. */
  score(batch: Pick<UpdateBatch, 'prompts' | 'sequences'>, temperature?: number): Promise<Float32Array[]>;
  /** The final hidden states that each sequence's tokens were drawn from, as one vector, row-major. */
  states?(batch: Pick<UpdateBatch, 'prompts' | 'sequences'>, pooling: StatePooling): Promise<Float32Array>;
  update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** The metrics that an update with this batch would begin with; nothing is changed. */
  evaluate?(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** θ_ref ← (1 − α) θ_ref + α θ. */
  blendReference(alpha: number): Promise<void>;
  /** Writes a folder that transformers loads: config, weights, tokenizer files. Resolves when all is on the disk. */
  save(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
  /** A copy of what `save` writes and of what training needs to go on; written while training goes on. */
  snapshot(options?: SnapshotOptions): Promise<PolicySnapshot>;
  /** Reads optimizer state and reference weights back from the file that a snapshot named `trainingFile`. */
  loadTraining(file: string): Promise<void>;
  close(): Promise<void>;
}
