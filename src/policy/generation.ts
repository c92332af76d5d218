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
  wholeNumber,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import type { Conversation } from '../message.js';
import { readMessages } from '../read-messages.js';
import type { GenerateRequest, Sampling } from './policy.js';
import type { PromptOrTokens } from './prompt-encoder.js';
import { defaultSampling } from './sampling.js';

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
  /** Number of completions of the prompt, which is prefilled once; default 1. */
  readonly n?: number;
  /** How tokens are sampled; absent keys take their value of `defaultSampling`. */
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
  stopTokenIds: listOf(wholeNumber),
  stop: listOf(text),
  includeStopText: flag,
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

const tokenIds = listOf(wholeNumber);

/** A text, a conversation, or token ids. */
export const promptKind: Kind = chosenBy('a text, a list of messages, a conversation, or token ids', (prompt) => {
  if (Array.isArray(prompt)) return typeof prompt[0] === 'object' ? messagesKind : tokenIds;
  if (anyRecord.fits(prompt)) return record(conversationFields);
  return [text, int32Array].find((kind) => kind.fits(prompt));
});

const generateFields: Fields<GenerateOptions> = {
  prompt: required(promptKind),
  chat: record(chatFields),
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
  abortSignal: 'signal',
};

const isPrompt = (request: PromptOrTokens | GenerateOptions): request is PromptOrTokens =>
  typeof request === 'string' || Array.isArray(request) || request instanceof Int32Array;

/** A request with a value for every key. */
export type CompleteRequest = GenerateRequest & { readonly sampling: Required<Sampling> };

/**
 * Completes a request with the default of every absent key.
 * @throws InvalidRequestError for a key that is missing, unknown, or of the wrong type.
 */
export function completeRequest(subject: string, given: PromptOrTokens | GenerateOptions): CompleteRequest {
  const options: GenerateOptions = isPrompt(given) ? { prompt: given } : given;
  requireFields<GenerateOptions>(subject, options, generateFields, otherNames);
  const { prompt, chat, n = 1, sampling = {}, seed = 0, requestId = 0, signal } = options;
  const request = { prompt, n, sampling: completeSampling(sampling), seed, requestId };
  return { ...request, ...(chat && { chat }), ...(signal && { signal }) };
}

function completeSampling({
  temperature = defaultSampling.temperature,
  maxNewTokens = defaultSampling.maxNewTokens,
  topK = defaultSampling.topK,
  topP = defaultSampling.topP,
  minP = defaultSampling.minP,
  stopTokenIds = defaultSampling.stopTokenIds,
  stop = defaultSampling.stop,
  includeStopText = defaultSampling.includeStopText,
}: Partial<Sampling>): Required<Sampling> {
  return { temperature, maxNewTokens, topK, topP, minP, stopTokenIds, stop, includeStopText };
}
