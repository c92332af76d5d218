/** The policy as the method sees it: it generates, tells log-probabilities, and is updated. */
import type { ChatOptions } from '../chat/template.js';
import type { Prompt } from '../message.js';
import type { UpdateSettings } from './settings.js';

export type { EntropyState, Objective, OptimizerSettings, UpdateSettings } from './settings.js';

/** How tokens are drawn from the policy. */
export interface Sampling {
  /** 0 is greedy. Log-probabilities are taken at this temperature (at 1 when greedy). */
  readonly temperature: number;
  /** Longest completion, in tokens. */
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

/** A request with every choice made, as the method asks; a caller writes `GenerateOptions`. */
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

/** One generated completion. */
export interface Completion {
  /** Generated ids, an end token included. */
  readonly tokens: Int32Array;
  /** log π(token) in nats, one for each token: under the full softmax at the sampling temperature, whatever top-k, top-p and min-p keep. */
  readonly logprobs: Float32Array;
  /** Decoded tokens without special ones, up to a stop text. */
  readonly text: string;
  /** Why it ended. */
  readonly finishReason: FinishReason;
}

/** The completions of one request. */
export interface Generated {
  /** The prompt as it was encoded. */
  readonly promptTokens: Int32Array;
  /** As many as the request's `n`, in order. */
  readonly completions: readonly Completion[];
}

/** Tokens after a prompt. */
export interface TokenSequence {
  /** Index into the batch's `prompts`. Sequences of one prompt stand together. */
  readonly prompt: number;
  /** Ids after the prompt; at least one. */
  readonly tokens: Int32Array;
}

/** Sequences after their prompts, each prompt given once. */
export interface TokenBatch {
  /** Token ids of the prompts. */
  readonly prompts: readonly Int32Array[];
  /** Sorted by prompt. */
  readonly sequences: readonly TokenSequence[];
}

/** One trained sequence: the tokens generated after a prompt. */
export interface TrainingSequence extends TokenSequence {
  /** Sequences of one rollout (its turns) share a number and are normalised together. */
  readonly rollout: number;
  /** Weight A of the policy's loss, the same for every token. */
  readonly advantage: number;
  /** 1 trains the token, 0 leaves it out; absent trains all. */
  readonly mask?: Uint8Array;
  /** The sampler's log-probabilities: metrics, π_old where `oldPolicy` is `behaviour`, and what `correction` corrects. */
  readonly behaviourLogprobs?: Float32Array;
  /** The optimizer step of an epoch that it belongs to; absent everywhere, one step takes the whole batch. */
  readonly step?: number;
}

/** The sequences of one update. */
export interface UpdateBatch extends TokenBatch {
  readonly sequences: readonly TrainingSequence[];
}

/** Metrics of one update by TRL's names: loss, grad_norm, entropy, kl, clip_ratio/…, sampling/…, num_tokens. */
export type UpdateMetrics = Readonly<Record<string, number>>;

/** A file that is on the disk, with its entry for a manifest. */
export interface WrittenFile {
  /** Relative to the folder that was written. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** How a model folder is written. */
export interface SaveOptions {
  /** Largest weight file, in bytes; several files come with an index. Default 5 GB (5e9). */
  readonly maxShardBytes?: number;
}

/** The name of the file with optimizer state, unrounded weights and reference weights. */
export const trainingFile = 'training.safetensors';

/** How a snapshot is taken. */
export interface SnapshotOptions {
  /** false makes no copy: `write` then writes the policy as it is at that moment, so nothing may update it before. Default true. */
  readonly copy?: boolean;
}

/** A policy at one moment, held in memory until it is written. */
export interface PolicySnapshot {
  /** Writes what `save` writes, and `trainingFile`, into an existing folder, once. Resolves when all is on the disk. */
  write(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
}

/** How a sequence's hidden states become one vector: their mean, or the last. */
export type StatePooling = 'mean' | 'lasttoken';

/** A policy that the method trains; `LocalPolicy` is one on this machine. */
export interface Policy {
  /** Number of updates made to these weights. */
  readonly version: number;
  /** Completions of one prompt. Requests in flight together do not change each other's answers. */
  generate(request: GenerateRequest): Promise<Generated>;
  /** log π(token) of each sequence's tokens after its prompt, at `temperature` (default 1). */
  logprobs(batch: TokenBatch, temperature?: number): Promise<Float32Array[]>;
  /** The final hidden states that each sequence's tokens were drawn from, as one vector, row-major. */
  states?(batch: TokenBatch, pooling: StatePooling): Promise<Float32Array>;
  /** One update of the weights; resolves to its metrics by TRL's names. */
  update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** The metrics that an update with this batch begins with; nothing is changed. */
  evaluate?(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** θ_ref ← (1 − α) θ_ref + α θ. */
  blendReference(alpha: number): Promise<void>;
  /** Writes a folder that transformers loads: config, weights, tokenizer files. Resolves when all is on the disk. */
  save(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
  /** A copy of the files of `save` and of the training state; it is written while training goes on. */
  snapshot(options?: SnapshotOptions): Promise<PolicySnapshot>;
  /** Reads optimizer state and reference weights back from the file that a snapshot named `trainingFile`. */
  loadTraining(file: string): Promise<void>;
  /** Frees the policy after the requests made before. */
  close(): Promise<void>;
}
