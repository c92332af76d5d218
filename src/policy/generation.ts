/** A request for completions as a caller writes it, and as the policy takes it: with every choice made. */
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
  oneOf,
  record,
  required,
  requireFields,
  text,
  wholeNumber,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import type { Message, ToolCall } from '../message.js';
import type { GenerateRequest, Sampling } from './policy.js';
import type { PromptOrTokens } from './prompt-encoder.js';
import { defaultSampling } from './sampling.js';

/**
 * A request for completions in which only the prompt must be said. The same request gives the same completions, in every
 * process: one without a `seed` is seeded with 0.
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
  /** How the chat template renders messages; by default as `LocalPolicy.load` was told. */
  readonly chat?: ChatOptions;
  /** Completions of the prompt, which is prefilled once; default 1. */
  readonly n?: number;
  /** How tokens are drawn; each key that is absent has its value of `defaultSampling`. */
  readonly sampling?: Partial<Sampling>;
  /** Decides, together with `requestId`, every random number; a whole number in [0, 2^53), default 0. */
  readonly seed?: number;
  /** Tells requests of one seed apart; a whole number in [0, 2^53), default 0. */
  readonly requestId?: number;
  /** Ends the work with CancelledError. */
  readonly signal?: AbortSignal;
}

const samplingFields: Fields<Sampling> = {
  temperature: number,
  maxNewTokens: count,
  topK: count,
  topP: number,
  minP: number,
  stopTokenIds: listOf(wholeNumber),
  stop: listOf(text),
  includeStopText: flag,
};

const toolCallFields: Fields<ToolCall> = { name: required(text), arguments: required(anyRecord) };

const messageFields: Fields<Message> = {
  role: required(oneOf('system', 'user', 'assistant', 'tool')),
  content: required(text),
  tokens: listOf(wholeNumber),
  toolCalls: listOf(record(toolCallFields)),
  name: text,
};

/** A conversation. */
export const messagesKind: Kind = listOf(record(messageFields));

const tokenIds = listOf(wholeNumber);

/** A text, a conversation, or token ids. */
export const promptKind: Kind = chosenBy('a text, a list of messages, or token ids', (prompt) => {
  if (Array.isArray(prompt)) return typeof prompt[0] === 'object' ? messagesKind : tokenIds;
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

/** The names that transformers, vLLM, the Vercel AI SDK and node-llama-cpp have for a key. */
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

const isPrompt = (asked: PromptOrTokens | GenerateOptions): asked is PromptOrTokens =>
  typeof asked === 'string' || Array.isArray(asked) || asked instanceof Int32Array;

/** A request with a value for every key. */
export type CompleteRequest = GenerateRequest & { readonly sampling: Required<Sampling> };

/**
 * The request with a value for every key.
 * @throws InvalidRequestError for a key that is missing, unknown, or of the wrong type.
 */
export function completeRequest(subject: string, asked: PromptOrTokens | GenerateOptions): CompleteRequest {
  const options: GenerateOptions = isPrompt(asked) ? { prompt: asked } : asked;
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
