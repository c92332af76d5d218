/** A policy on this machine: a Hugging Face folder on the native engine. Converts; decides nothing. */
import type { ChatOptions } from '../chat/template.js';
import { InvalidRequestError } from '../errors.js';
import type { Message } from '../message.js';
import {
  cancellable,
  crossing,
  crossingNow,
  type NativeBatch,
  type NativePolicy,
  type NativeStreamed,
  type NativeTokenizer,
  native,
  type PolicyInfo,
  type PolicyStats,
} from '../native.js';
import { nativeSampling, nativeSettings } from './native-settings.js';
import { type LocalPolicyOptions, nativeOptions } from './options.js';
import type {
  Completion,
  Generated,
  GenerateRequest,
  Policy,
  PolicySnapshot,
  SaveOptions,
  SnapshotOptions,
  StatePooling,
  TrainingSequence,
  UpdateBatch,
  UpdateMetrics,
  UpdateSettings,
  WrittenFile,
} from './policy.js';
import { PromptEncoder } from './prompts.js';
import { defaultUpdate } from './settings.js';
import { type GenerationStream, streamOf } from './stream.js';

export type { LocalPolicyOptions } from './options.js';

function offsetsOf(lists: readonly { readonly length: number }[]): Uint32Array {
  const offsets = new Uint32Array(lists.length + 1);
  lists.forEach((list, at) => {
    offsets[at + 1] = (offsets[at] ?? 0) + list.length;
  });
  return offsets;
}

function flatten(lists: readonly Int32Array[]): Int32Array {
  const offsets = offsetsOf(lists);
  const flat = new Int32Array(offsets[lists.length] ?? 0);
  lists.forEach((list, at) => {
    flat.set(list, offsets[at]);
  });
  return flat;
}

/** The lists between consecutive offsets, as views. */
function split<Values extends Int32Array | Float32Array>(flat: Values, offsets: Uint32Array): Values[] {
  return Array.from({ length: offsets.length - 1 }, (_, at) => flat.subarray(offsets[at], offsets[at + 1]) as Values);
}

function flatMask(sequences: readonly TrainingSequence[]): Uint8Array {
  if (sequences.every(({ mask }) => mask === undefined)) return new Uint8Array();
  return Uint8Array.from(sequences.flatMap(({ mask, tokens }) => [...(mask ?? new Uint8Array(tokens.length).fill(1))]));
}

function flatLogprobs(sequences: readonly TrainingSequence[]): Float32Array {
  if (!sequences.every(({ logprobs }) => logprobs !== undefined)) return new Float32Array();
  return Float32Array.from(sequences.flatMap(({ logprobs }) => [...(logprobs ?? [])]));
}

/** Empty when one optimizer step takes the whole batch. */
function flatSteps(sequences: readonly TrainingSequence[]): Uint32Array {
  if (sequences.every(({ step }) => step === undefined)) return new Uint32Array();
  return Uint32Array.from(sequences, ({ step }) => step ?? 0);
}

function nativeBatch({ prompts, sequences }: UpdateBatch): NativeBatch {
  const tokens = sequences.map((sequence) => sequence.tokens);
  return {
    promptTokens: flatten(prompts),
    promptOffsets: offsetsOf(prompts),
    tokens: flatten(tokens),
    offsets: offsetsOf(tokens),
    prompt: Uint32Array.from(sequences, ({ prompt }) => prompt),
    rollout: Uint32Array.from(sequences, ({ rollout }) => rollout),
    advantage: Float32Array.from(sequences, ({ advantage }) => advantage),
    mask: flatMask(sequences),
    logprobs: flatLogprobs(sequences),
    step: flatSteps(sequences),
  };
}

function shardBytes({ maxShardBytes = 5e9 }: SaveOptions): number {
  if (Number.isSafeInteger(maxShardBytes) && maxShardBytes > 0) return maxShardBytes;
  const reason = `${maxShardBytes} is not a whole number above 0`;
  throw new InvalidRequestError('INVALID_REQUEST', `\`maxShardBytes\`: ${reason}`, { key: 'maxShardBytes', reason });
}

export class LocalPolicy implements Policy {
  private updates = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly engine: NativePolicy,
    private readonly tokenizer: NativeTokenizer,
    private readonly prompts: PromptEncoder,
    private readonly microbatchTokens: number,
  ) {}

  /** Loads a Hugging Face folder. @throws ModelFolderError, DeviceError, OutOfMemoryError. */
  static async load(folder: string, options: LocalPolicyOptions = {}): Promise<LocalPolicy> {
    const choice = nativeOptions(options);
    const engine = await crossing(() => native(choice.device).NativePolicy.load(folder, choice));
    const tokenizer = crossingNow(() => engine.tokenizer());
    const prompts = new PromptEncoder(folder, tokenizer, engine.info().endTokenIds, options.chat);
    return new LocalPolicy(engine, tokenizer, prompts, options.microbatchTokens ?? defaultUpdate.microbatchTokens);
  }

  get version(): number {
    return this.updates;
  }

  info(): PolicyInfo {
    return crossingNow(() => this.engine.info());
  }

  /** Token ids, without special tokens added. */
  encode(texts: readonly string[]): Int32Array[] {
    const { tokens, offsets } = crossingNow(() => this.tokenizer.encode([...texts]));
    return split(tokens, offsets);
  }

  decode(tokens: readonly Int32Array[], { skipSpecialTokens = false } = {}): string[] {
    return crossingNow(() => this.tokenizer.decode(flatten(tokens), offsetsOf(tokens), skipSpecialTokens));
  }

  /** Token ids of a prompt: a text with its special tokens parsed, or messages through the folder's chat template. */
  async encodePrompt(prompt: GenerateRequest['prompt'], options?: ChatOptions): Promise<Int32Array> {
    return this.prompts.encode(prompt, options);
  }

  /** The text that the folder's chat template makes of messages. @throws ChatTemplateError. */
  renderMessages(messages: readonly Message[], options?: ChatOptions): Promise<string> {
    return this.prompts.render(messages, options);
  }

  generate(request: GenerateRequest): Promise<Generated> {
    return this.answer(request);
  }

  /** As `generate`, seen while it grows. */
  stream(request: GenerateRequest): GenerationStream {
    const leaving = new AbortController();
    const signal = request.signal ? AbortSignal.any([request.signal, leaving.signal]) : leaving.signal;
    return streamOf(
      (onTokens) => this.answer({ ...request, signal }, onTokens),
      () => leaving.abort(),
    );
  }

  private async answer(
    { prompt, chat, n, sampling, seed, requestId, signal }: GenerateRequest,
    onTokens?: (streamed: NativeStreamed) => void,
  ): Promise<Generated> {
    const encoded = this.prompts.encode(prompt, chat);
    const promptTokens = encoded instanceof Int32Array ? encoded : await encoded;
    const asked = { ...nativeSampling(sampling), prompt: promptTokens, n, seed, requestId };
    const found = await cancellable(signal, (ticket) => this.engine.generate({ ...asked, ticket }, onTokens));
    const logprobs = split(found.logprobs, found.offsets);
    const completions = split(found.tokens, found.offsets).map(
      (tokens, at): Completion => ({
        tokens,
        logprobs: logprobs[at] as Float32Array,
        text: found.texts[at] ?? '',
        finishReason: found.stopped[at] ? 'stop' : 'length',
      }),
    );
    return { promptTokens, completions };
  }

  async score(batch: Pick<UpdateBatch, 'prompts' | 'sequences'>, temperature = 1): Promise<Float32Array[]> {
    const flat = nativeBatch(batch);
    return split(await crossing(() => this.engine.score(flat, temperature, this.microbatchTokens)), flat.offsets);
  }

  states(batch: Pick<UpdateBatch, 'prompts' | 'sequences'>, pooling: StatePooling): Promise<Float32Array> {
    return crossing(() => this.engine.states(nativeBatch(batch), pooling, this.microbatchTokens));
  }

  async update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics> {
    const before = this.prompts.pending();
    if (before) await before;
    const metrics = await cancellable(signal, (ticket) =>
      this.engine.update(nativeBatch(batch), nativeSettings(settings), ticket),
    );
    this.updates += 1;
    return metrics;
  }

  evaluate(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics> {
    return cancellable(signal, (ticket) => this.engine.evaluate(nativeBatch(batch), nativeSettings(settings), ticket));
  }

  blendReference(alpha: number): Promise<void> {
    return crossing(() => this.engine.blendReference(alpha));
  }

  /** @throws NativeError `IO`; InvalidRequestError when `maxShardBytes` is no whole number above 0. */
  async save(folder: string, options: SaveOptions = {}): Promise<readonly WrittenFile[]> {
    const most = shardBytes(options);
    return crossing(() => this.engine.save(folder, most));
  }

  async snapshot({ copy = true }: SnapshotOptions = {}): Promise<PolicySnapshot> {
    if (!copy) {
      return { write: (folder, options = {}) => crossing(() => this.engine.saveTraining(folder, shardBytes(options))) };
    }
    const snapshot = await crossing(() => this.engine.snapshot());
    return { write: (folder, options = {}) => crossing(() => snapshot.write(folder, shardBytes(options))) };
  }

  loadTraining(file: string): Promise<void> {
    return crossing(() => this.engine.loadTraining(file));
  }

  stats(): Promise<PolicyStats> {
    return crossing(() => this.engine.stats());
  }

  /** Frees the policy after the requests before it; closing again is the same close. Other calls then fail with PolicyClosedError. */
  close(): Promise<void> {
    const close = (): Promise<void> => crossing(() => this.engine.close());
    this.closing ??= this.prompts.pending()?.then(close) ?? close();
    return this.closing;
  }
}
