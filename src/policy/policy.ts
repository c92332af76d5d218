/** The policy that the method uses: it generates, computes log-probabilities, and is updated. */
import type { ChatOptions } from '../chat/template.js';
import type { Prompt } from '../message.js';
import type { UpdateSettings } from './settings.js';

export type { EntropyState, Objective, OptimizerSettings, UpdateSettings } from './settings.js';

/**
 * Rules that penalise or ban tokens, named and computed as in transformers' generation_config.json. They shape which token
 * is drawn; a completion's log-probabilities stay those of the policy.
 */
export interface TokenRules {
  /** Divides the positive logits of tokens that prompt or completion hold, and multiplies the negative ones; 1 changes none. */
  readonly repetitionPenalty?: number;
  /** No run of this many tokens occurs twice, the prompt included; 0 allows all. */
  readonly noRepeatNgramSize?: number;
  /** Runs of token ids that do not occur. */
  readonly badWordsIds?: readonly (readonly number[])[];
  /** Token ids that are never drawn. */
  readonly suppressTokens?: readonly number[];
  /** Token ids that are not drawn first. */
  readonly beginSuppressTokens?: readonly number[];
  /** Tokens of a completion before one that ends it. */
  readonly minNewTokens?: number;
  /** Tokens of prompt and completion before one that ends it. */
  readonly minLength?: number;
}

/** How tokens are sampled from the policy. */
export interface Sampling extends TokenRules {
  /** 0 is greedy. Log-probabilities are computed at this temperature (at 1 when greedy). */
  readonly temperature: number;
  /** Longest completion, in tokens. */
  readonly maxNewTokens: number;
  /** Keeps the k likeliest tokens; 0 or absent keeps all. */
  readonly topK?: number;
  /** Keeps the smallest set with at least this probability; 1 or absent keeps all. */
  readonly topP?: number;
  /** Drops tokens below this share of the likeliest token's probability; 0 or absent keeps all. */
  readonly minP?: number;
  /** Ids that end a completion, beside the folder's end-of-sequence ids. */
  readonly stopTokenIds?: readonly number[];
  /** Texts that end a completion; its text is cut before the stop text, its tokens stay as sampled. */
  readonly stop?: readonly string[];
  /** Keeps the stop text at the end of the completion's text. */
  readonly includeStopText?: boolean;
}

/** A request with every option set. A caller writes `GenerateOptions`, which have defaults. */
export interface GenerateRequest {
  /** Text, messages for the folder's chat template, or token ids. */
  readonly prompt: Prompt | readonly number[] | Int32Array;
  /** How the chat template renders messages: tools, date, further variables. */
  readonly chat?: ChatOptions;
  /** False for a text that holds its special tokens itself: nothing is put before or after it. Default true. */
  readonly addSpecialTokens?: boolean;
  /** False leaves the folder's generation_config.json unread: absent rules of `sampling` then change nothing. Default true. */
  readonly generationConfig?: boolean;
  /** Number of completions of this prompt (the group size); the prompt is prefilled once. */
  readonly n: number;
  readonly sampling: Sampling;
  /** Determines, with `requestId`, completion index and position, every random number. */
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
  /** True when it ended because the context was full, before `maxNewTokens`; its `finishReason` is `length`. */
  readonly contextFull?: boolean;
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
  /** Index into the batch's `prompts`; the sequences of one prompt are adjacent. */
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
  /** Loss mask, one entry per token: 1 trains the token, 0 excludes it; absent trains all. */
  readonly mask?: Uint8Array;
  /** The behaviour policy's log-probabilities, one per token: for metrics, for `correction`, and as π_old where `oldPolicy` is `behaviour`. */
  readonly behaviourLogprobs?: Float32Array;
  /** Optimizer step of an epoch, from 0; absent in all sequences, one step takes the whole batch. */
  readonly step?: number;
}

/** The sequences of one update. */
export interface UpdateBatch extends TokenBatch {
  readonly sequences: readonly TrainingSequence[];
}

/** Metrics of one update by TRL's names: loss, grad_norm, entropy, kl, clip_ratio/…, sampling/…, num_tokens. */
export type UpdateMetrics = Readonly<Record<string, number>>;

/** A file on disk, with the fields of its manifest entry. */
export interface WrittenFile {
  /** Path relative to the written folder. */
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
  /** false makes no copy: `write` then writes the policy's state at that moment, so it must not be updated before. Default true. */
  readonly copy?: boolean;
}

/** A policy at one moment, held in memory until it is written. */
export interface PolicySnapshot {
  /** Writes the files of `save`, and `trainingFile`, into an existing folder, once. Resolves when all files are on disk. */
  write(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
}

/** How a sequence's hidden states are pooled to one vector: their mean, or the last. */
export type StatePooling = 'mean' | 'lasttoken';

/** A policy that the method trains; `LocalPolicy` is one on this machine. */
export interface Policy {
  /** Number of updates of these weights. */
  readonly version: number;
  /** Generates completions of one prompt. Concurrent requests do not change each other's completions. */
  generate(request: GenerateRequest): Promise<Generated>;
  /** Computes log π(token) of each sequence's tokens after its prompt, in nats, at `temperature` (default 1). */
  logprobs(batch: TokenBatch, temperature?: number): Promise<Float32Array[]>;
  /** Pools the final hidden states that predict each sequence's tokens; returns sequences × hidden size, row-major. */
  states?(batch: TokenBatch, pooling: StatePooling): Promise<Float32Array>;
  /** Updates the weights once; resolves to metrics by TRL's names. */
  update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** Computes the metrics at the beginning of an update with this batch, without changing weights. */
  evaluate?(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics>;
  /** θ_ref ← (1 − α) θ_ref + α θ. */
  blendReference(alpha: number): Promise<void>;
  /** Writes a folder that transformers loads: config, weights, tokenizer files. Resolves when all files are on disk. */
  save(folder: string, options?: SaveOptions): Promise<readonly WrittenFile[]>;
  /** Copies the files of `save` and the training state, to be written while training continues. */
  snapshot(options?: SnapshotOptions): Promise<PolicySnapshot>;
  /** Loads optimizer state, unrounded weights and reference weights from the `trainingFile` of a snapshot. */
  loadTraining(file: string): Promise<void>;
  /** Frees the policy after the pending requests. */
  close(): Promise<void>;
}
