/** Completes and checks a caller's request for completions. */
import {
  abortSignal,
  anyRecord,
  chosenBy,
  count,
  type Fields,
  flag,
  int32Array,
  type Kind,
  listOf,
  number,
  record,
  required,
  requireFields,
  text,
  tokenId,
  wholeNumber,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import { InvalidRequestError } from '../errors.js';
import type { Conversation } from '../message.js';
import { readMessages } from '../read-messages.js';
import type { GenerateRequest, Sampling, TokenRules } from './policy.js';
import type { PromptOrTokens } from './prompt-encoder.js';
import { defaultSampling, neutralRules } from './sampling.js';

/**
 * A request for completions; only the prompt is required. The same request returns the same completions in every process;
 * the default `seed` is 0.
 *
 * @example
 * import type { GenerateOptions } from 'exit-rl';
 *
 * const options: GenerateOptions = { prompt: 'Hi', n: 4, sampling: { temperature: 0.7, maxNewTokens: 32 }, seed: 1 };
 * console.log(options.n);
 */
export interface GenerateOptions {
  /** A text, messages for the folder's chat template, or token ids. */
  readonly prompt: PromptOrTokens;
  /** How the chat template renders messages; by default the `chat` of `LocalPolicy.load`. */
  readonly chat?: ChatOptions;
  /**
   * Puts the special tokens of the folder's tokenizer around a text, as transformers' `tokenizer(text)` does; those that it
   * begins or ends with itself stand there once. Default true; false for texts that hold their special tokens.
   */
  readonly addSpecialTokens?: boolean;
  /**
   * Takes rules that `sampling` leaves out from the folder's generation_config.json, as transformers' `generate` does. Default
   * true; rollouts of training and evaluation set false.
   */
  readonly generationConfig?: boolean;
  /** Number of completions of the prompt, which is prefilled once; default 1. */
  readonly n?: number;
  /** How tokens are sampled; absent keys take their value of `defaultSampling`, absent rules that of the folder. */
  readonly sampling?: Partial<Sampling>;
  /** Determines, with `requestId`, every random number; a whole number in [0, 2^53), default 0. */
  readonly seed?: number;
  /** Distinguishes requests of one seed; a whole number in [0, 2^53), default 0. */
  readonly requestId?: number;
  /** Aborts generation with CancelledError. */
  readonly signal?: AbortSignal;
}

/** The fields of a sampling. */
export const samplingFields: Fields<Sampling> = {
  temperature: number,
  maxNewTokens: count,
  topK: count,
  topP: number,
  minP: number,
  stopTokenIds: listOf(tokenId),
  stop: listOf(text),
  includeStopText: flag,
  repetitionPenalty: number,
  noRepeatNgramSize: count,
  badWordsIds: listOf(listOf(tokenId)),
  suppressTokens: listOf(tokenId),
  beginSuppressTokens: listOf(tokenId),
  minNewTokens: count,
  minLength: count,
};

/** A list of messages. */
export const messagesKind: Kind = {
  words: 'a list of messages',
  fits: Array.isArray,
  problems: (list) =>
    readMessages(list as readonly unknown[]).problems.map(({ at, key, reason }) => ({
      key: key === '' ? `[${at}]` : `[${at}].${key}`,
      reason,
    })),
};

const conversationFields: Fields<Conversation> = {
  messages: required(messagesKind),
  tools: listOf(anyRecord),
  continueFinalMessage: flag,
};

const tokenIds = listOf(tokenId);

/** A text, a conversation, or token ids. */
export const promptKind: Kind = chosenBy('a text, a list of messages, a conversation, or token ids', (prompt) => {
  if (Array.isArray(prompt)) return typeof prompt[0] === 'object' ? messagesKind : tokenIds;
  if (anyRecord.fits(prompt)) return record(conversationFields);
  return [text, int32Array].find((kind) => kind.fits(prompt));
});

const generateFields: Fields<GenerateOptions> = {
  prompt: required(promptKind),
  chat: record(chatFields),
  addSpecialTokens: flag,
  generationConfig: flag,
  n: count,
  sampling: record(samplingFields),
  seed: wholeNumber,
  requestId: wholeNumber,
  signal: abortSignal,
};

/** Names of transformers, vLLM, the Vercel AI SDK and node-llama-cpp for our keys, for suggestions in errors. */
const otherNames = {
  messages: 'prompt',
  numReturnSequences: 'n',
  num_return_sequences: 'n',
  maxTokens: 'sampling.maxNewTokens',
  max_tokens: 'sampling.maxNewTokens',
  max_new_tokens: 'sampling.maxNewTokens',
  maxOutputTokens: 'sampling.maxNewTokens',
  stopSequences: 'sampling.stop',
  stop_strings: 'sampling.stop',
  add_special_tokens: 'addSpecialTokens',
  repetition_penalty: 'sampling.repetitionPenalty',
  no_repeat_ngram_size: 'sampling.noRepeatNgramSize',
  bad_words_ids: 'sampling.badWordsIds',
  suppress_tokens: 'sampling.suppressTokens',
  begin_suppress_tokens: 'sampling.beginSuppressTokens',
  min_new_tokens: 'sampling.minNewTokens',
  min_tokens: 'sampling.minNewTokens',
  abortSignal: 'signal',
};

const isPrompt = (request: PromptOrTokens | GenerateOptions): request is PromptOrTokens =>
  typeof request === 'string' || Array.isArray(request) || request instanceof Int32Array;

/** A request with a value for every key. */
export type CompleteRequest = GenerateRequest & { readonly sampling: Required<Sampling> };

/** The rules of a folder's generation_config.json for generated tokens. */
export interface FolderRules {
  readonly generationConfig: Required<TokenRules>;
  /** Its keys that transformers computes and the engine does not. */
  readonly unsupportedGenerationKeys: readonly string[];
}

/**
 * Completes a request with the default of every absent key.
 * @throws InvalidRequestError for a key that is missing, unknown, or of the wrong type, and for a generation_config.json that
 * asks for what the engine does not compute.
 */
export function completeRequest(
  subject: string,
  given: PromptOrTokens | GenerateOptions,
  folder: FolderRules,
): CompleteRequest {
  const options: GenerateOptions = isPrompt(given) ? { prompt: given } : given;
  requireFields<GenerateOptions>(subject, options, generateFields, otherNames);
  const { prompt, chat, n = 1, sampling = {}, seed = 0, requestId = 0, signal } = options;
  const { addSpecialTokens = true, generationConfig = true } = options;
  if (generationConfig) requireSupported(subject, folder);
  const rules = generationConfig ? folder.generationConfig : neutralRules;
  const request = { prompt, addSpecialTokens, generationConfig, n, sampling: completeSampling(sampling, rules) };
  return { ...request, seed, requestId, ...(chat && { chat }), ...(signal && { signal }) };
}

function requireSupported(subject: string, { unsupportedGenerationKeys: keys }: FolderRules): void {
  if (keys.length === 0) return;
  const reason =
    `the folder's generation_config.json sets ${keys.join(', ')}, which is not computed here; ` +
    'generationConfig: false (--ignore-generation-config) generates without that file';
  const message = `${subject}: \`generationConfig\`: ${reason}`;
  throw new InvalidRequestError('INVALID_REQUEST', message, { key: 'generationConfig', reason, keys });
}

function completeSampling(given: Partial<Sampling>, rules: Required<TokenRules>): Required<Sampling> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  // As in transformers, the least number of new tokens replaces the least length.
  const minLength = given.minNewTokens === undefined ? rules.minLength : 0;
  return { ...defaultSampling, ...rules, minLength, ...present };
}
