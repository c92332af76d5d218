/**
 * A policy on this machine: a Hugging Face folder on the native engine. Converts; decides nothing. The file is long because
 * a class stands in one: most of its lines are the docstrings and examples of the public methods.
 */

import { linkSignal } from '../abort.js';
import {
  type Fields,
  flag,
  int32Array,
  listOf,
  notNegative,
  number,
  oneOf,
  positiveNumber,
  requireArgument,
  requireFields,
  text,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import { findModel } from '../disk/model-source.js';
import type { Message } from '../message.js';
import {
  cancellable,
  crossing,
  crossingNow,
  type NativePolicy,
  type NativeStreamed,
  type NativeTokenizer,
  native,
  type PolicyInfo,
  type PolicyStats,
} from '../native.js';
import { passNotices } from '../notices.js';
import { concat, offsetsOf, split } from '../ragged.js';
import { type CompleteRequest, completeRequest, type GenerateOptions, messagesKind, promptKind } from './generation.js';
import { nativeTokenBatch, nativeUpdateBatch, requireSettings } from './native-batch.js';
import { nativeSettings } from './native-settings.js';
import { type LocalPolicyOptions, nativeOptions, requireLoadArguments } from './options.js';
import type {
  Completion,
  Generated,
  Policy,
  PolicySnapshot,
  SaveOptions,
  SnapshotOptions,
  StatePooling,
  TokenBatch,
  UpdateBatch,
  UpdateMetrics,
  UpdateSettings,
  WrittenFile,
} from './policy.js';
import { PromptEncoder, type PromptOrTokens } from './prompt-encoder.js';
import { nativeSampling } from './sampling.js';
import { defaultUpdate } from './settings.js';
import { type GenerationStream, streamOf } from './stream.js';

export type { LocalPolicyOptions } from './options.js';

const saveFields: Fields<SaveOptions> = { maxShardBytes: positiveNumber };
const snapshotFields: Fields<SnapshotOptions> = { copy: flag };

/** Checks the options; returns the largest size of a weight file, in bytes. */
function shardBytes(options: SaveOptions): number {
  requireFields<SaveOptions>('save', options, saveFields);
  return options.maxShardBytes ?? 5e9;
}

/** How `decode` writes token ids as text. */
export interface DecodeOptions {
  /** Omits special tokens from the text; default false. */
  readonly skipSpecialTokens?: boolean;
}

const decodeFields: Fields<DecodeOptions> = { skipSpecialTokens: flag };

/** How `encodePrompt` encodes: the options of the chat template for messages, and the switch of special tokens for a text. */
export interface EncodePromptOptions extends ChatOptions {
  /** False for a text that holds its special tokens itself; default true. */
  readonly addSpecialTokens?: boolean;
}

const encodeFields: Fields<EncodePromptOptions> = { ...chatFields, addSpecialTokens: flag };

/**
 * Generates completions, computes log-probabilities, and is trained. Its requests wait in the engine's queue in the order
 * in which they are made. It holds native memory: close it.
 */
export class LocalPolicy implements Policy {
  private updates = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly engine: NativePolicy,
    private readonly tokenizer: NativeTokenizer,
    private readonly prompts: PromptEncoder,
    private readonly microbatchTokens: number,
    private readonly facts: PolicyInfo,
  ) {}

  /**
   * Loads a model: a Hugging Face folder (config.json, safetensors weights, tokenizer files), the latest checkpoint of a run
   * folder, one of its checkpoints, a PEFT folder on the base that it names, or `owner/name` of a fetched model.
   *
   * @throws InvalidRequestError for an option that is unknown or of the wrong type; ModelFolderError, DeviceError,
   * OutOfMemoryError, HubError for a model that was not fetched, RunFolderError for a run without a checkpoint,
   * CheckpointCorruptError when its latest one is damaged.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu', threads: 1 });
   * console.log(policy.info().parameters);
   * await policy.close();
   */
  static async load(model: string, options: LocalPolicyOptions = {}): Promise<LocalPolicy> {
    requireLoadArguments('LocalPolicy.load', model, options);
    const { folder, adapter, chatFolder = folder } = await findModel(model, options.adapter);
    const choice = nativeOptions({ ...options, ...(adapter !== undefined && { adapter }) });
    const engine = await crossing(() => native(choice.device).NativePolicy.load(folder, choice));
    const facts = engine.info();
    passNotices(facts.notices, options.onNotice);
    const tokenizer = crossingNow(() => engine.tokenizer());
    const prompts = new PromptEncoder(chatFolder, tokenizer, facts.endTokenIds, options.chat);
    const { microbatchTokens = defaultUpdate.microbatchTokens } = options;
    return new LocalPolicy(engine, tokenizer, prompts, microbatchTokens, facts);
  }

  /** Number of updates made since the weights were loaded. */
  get version(): number {
    return this.updates;
  }

  /**
   * Returns facts of the loaded model: parameters, vocabulary size, context length in tokens, end tokens, device, dtype.
   *
   * @throws PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const { contextLength, endTokenIds } = policy.info();
   * console.log(contextLength, endTokenIds);
   * await policy.close();
   */
  info(): PolicyInfo {
    return crossingNow(() => this.engine.info());
  }

  /**
   * Encodes texts, for example completions; returns one array of token ids per text. Special tokens in a text are parsed;
   * none are added, as `encodePrompt` does.
   *
   * @throws InvalidRequestError, TokenizerError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const [tokens] = policy.encode(['<bos> solve']);
   * console.log(tokens?.length);
   * await policy.close();
   */
  encode(texts: readonly string[]): Int32Array[] {
    requireArgument('encode', { texts }, listOf(text));
    const { tokens, offsets } = crossingNow(() => this.tokenizer.encode([...texts]));
    return split(tokens, offsets);
  }

  /**
   * Decodes token ids; returns one text per array.
   *
   * @throws InvalidRequestError, TokenizerError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const tokens = policy.encode(['<bos> solve']);
   * console.log(policy.decode(tokens, { skipSpecialTokens: true }));
   * await policy.close();
   */
  decode(tokens: readonly Int32Array[], options: DecodeOptions = {}): string[] {
    requireArgument('decode', { tokens }, listOf(int32Array));
    requireFields<DecodeOptions>('decode', options, decodeFields);
    const { skipSpecialTokens = false } = options;
    return crossingNow(() => this.tokenizer.decode(concat(Int32Array, tokens), offsetsOf(tokens), skipSpecialTokens));
  }

  /**
   * Encodes a prompt as token ids, as `generate` does. A text gets the special tokens of the tokenizer's post-processor, as
   * from transformers' `tokenizer(text)`; one that begins with the BOS token has it once. Messages are rendered by the
   * folder's chat template, which writes its own special tokens. Ids are copied unchanged.
   *
   * @throws InvalidRequestError, ChatTemplateError, TokenizerError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * const tokens = await policy.encodePrompt([{ role: 'user', content: 'Drink with no tea.' }]);
   * console.log(tokens.length);
   * await policy.close();
   */
  async encodePrompt(prompt: PromptOrTokens, options: EncodePromptOptions = {}): Promise<Int32Array> {
    requireArgument('encodePrompt', { prompt }, promptKind);
    requireFields<EncodePromptOptions>('encodePrompt', options, encodeFields);
    const { addSpecialTokens, ...chat } = options;
    return this.prompts.encode(prompt, chat, addSpecialTokens);
  }

  /**
   * Renders messages as text by the folder's chat template.
   *
   * @throws InvalidRequestError, ChatTemplateError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * console.log(await policy.renderMessages([{ role: 'user', content: 'Drink with no tea.' }]));
   * await policy.close();
   */
  async renderMessages(messages: readonly Message[], options: ChatOptions = {}): Promise<string> {
    requireArgument('renderMessages', { messages }, messagesKind);
    requireFields<ChatOptions>('renderMessages', options, chatFields);
    return this.prompts.render(messages, options);
  }

  /**
   * Generates completions of a prompt. Only the prompt is required; by default there is one completion (`n` 1) of at most 256
   * tokens (`sampling.maxNewTokens`), drawn at `sampling.temperature` 1 from all tokens (`topK` 0, `topP` 1, `minP` 0)
   * with `seed` 0 and `requestId` 0. The same request therefore gives the same answer; another `seed` gives another.
   * Requests in flight together are batched, which does not change their answers.
   *
   * Rules that `sampling` leaves out (repetition penalty, bans) are those of the folder's generation_config.json.
   *
   * @throws InvalidRequestError for a key that is missing, unknown, or of the wrong type; PromptTooLongError,
   * NonFiniteError where the logits give no distribution, ChatTemplateError, TokenizerError, CancelledError,
   * PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * const { completions } = await policy.generate('Hi');
   * console.log(completions[0]?.text);
   *
   * const sampling = { temperature: 0.7, maxNewTokens: 16 };
   * const four = await policy.generate({ prompt: 'Drink with no tea.', n: 4, sampling, seed: 1 });
   * for (const { text, finishReason } of four.completions) console.log(finishReason, text);
   * await policy.close();
   */
  async generate(asked: PromptOrTokens | GenerateOptions): Promise<Generated> {
    return this.answer(completeRequest('generate', asked, this.facts));
  }

  /**
   * Streams the completions of `generate` as they grow. The loop receives pieces of all completions in the order of their
   * generation, `result` resolves to the complete answer. Leaving the loop cancels the request.
   *
   * @throws InvalidRequestError at once; the loop and `result` fail with the other errors of `generate`.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * const stream = policy.stream('Hi');
   * for await (const { text } of stream) process.stdout.write(text);
   * console.log((await stream.result).completions[0]?.finishReason);
   * await policy.close();
   */
  stream(asked: PromptOrTokens | GenerateOptions): GenerationStream {
    const request = completeRequest('stream', asked, this.facts);
    const { signal, abort, unlink } = linkSignal(request.signal);
    return streamOf((onTokens) => this.answer({ ...request, signal }, onTokens).finally(unlink), abort);
  }

  private async answer(
    { prompt, chat, addSpecialTokens, n, sampling, seed, requestId, signal }: CompleteRequest,
    onTokens?: (streamed: NativeStreamed) => void,
  ): Promise<Generated> {
    const encoded = this.prompts.encode(prompt, chat, addSpecialTokens);
    const promptTokens = encoded instanceof Int32Array ? encoded : await encoded;
    const asked = { ...nativeSampling(sampling), prompt: promptTokens, n, seed, requestId };
    const found = await cancellable(signal, (ticket) => this.engine.generate({ ...asked, ticket }, onTokens));
    const logprobs = split(found.logprobs, found.offsets);
    const contextFull = promptTokens.length + sampling.maxNewTokens > this.facts.contextLength;
    const completions = split(found.tokens, found.offsets).map(
      (tokens, at): Completion => ({
        tokens,
        logprobs: logprobs[at] as Float32Array,
        text: found.texts[at] ?? '',
        finishReason: found.stopped[at] ? 'stop' : 'length',
        ...(contextFull && !found.stopped[at] && { contextFull }),
      }),
    );
    return { promptTokens, completions };
  }

  /**
   * Computes log π(token) of every sequence's tokens after its prompt, one array per sequence, in nats. Logits are divided by
   * `temperature` before the softmax, which is above 0: the log-probabilities of greedy completions are those at 1.
   *
   * @throws InvalidRequestError, NonFiniteError, OutOfMemoryError, PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const { promptTokens, completions } = await policy.generate('<bos> solve');
   * const sequences = completions.map(({ tokens }) => ({ prompt: 0, tokens }));
   * const [logprobs] = await policy.logprobs({ prompts: [promptTokens], sequences });
   * console.log(logprobs?.length === completions[0]?.tokens.length);
   * await policy.close();
   */
  async logprobs(batch: TokenBatch, temperature = 1): Promise<Float32Array[]> {
    const flat = nativeTokenBatch('logprobs', batch);
    requireArgument('logprobs', { temperature }, notNegative);
    const { logitsBytes } = defaultUpdate;
    return split(
      await crossing(() => this.engine.logprobs(flat, temperature, this.microbatchTokens, logitsBytes)),
      flat.offsets,
    );
  }

  /**
   * Pools the final hidden states that predict each sequence's tokens to one vector per sequence; returns them row-major,
   * `[sequences, width]`.
   *
   * @throws InvalidRequestError, OutOfMemoryError, PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const [prompt = new Int32Array(), tokens = new Int32Array()] = policy.encode(['<bos> solve', ' a1x']);
   * const states = await policy.states({ prompts: [prompt], sequences: [{ prompt: 0, tokens }] }, 'mean');
   * console.log(states.length);
   * await policy.close();
   */
  async states(batch: TokenBatch, pooling: StatePooling): Promise<Float32Array> {
    const flat = nativeTokenBatch('states', batch);
    requireArgument('states', { pooling }, oneOf('mean', 'lasttoken'));
    return crossing(() => this.engine.states(flat, pooling, this.microbatchTokens));
  }

  /**
   * Updates the weights once: `objective.batchEpochs` passes over the batch, an optimizer step for each `step` of its
   * sequences. An update that is cancelled, or fails in its first optimizer step, leaves the weights unchanged.
   *
   * @returns metrics by TRL's names.
   * @throws InvalidRequestError, NonFiniteError, OutOfMemoryError, CancelledError, PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   * import { defaultUpdate, supervisedObjective } from 'exit-rl/policy';
   *
   * const settings = { ...defaultUpdate, learningRate: 1e-4, objective: supervisedObjective };
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const [prompt = new Int32Array(), tokens = new Int32Array()] = policy.encode(['<bos> solve', ' a1x']);
   * const sequences = [{ prompt: 0, tokens, rollout: 0, advantage: 0 }];
   * const metrics = await policy.update({ prompts: [prompt], sequences }, settings);
   * console.log(policy.version, metrics.loss);
   * await policy.close();
   */
  async update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics> {
    requireSettings('update', settings);
    const before = this.prompts.pending();
    if (before) await before;
    const flat = nativeSettings(settings);
    const sequences = nativeUpdateBatch('update', batch);
    const metrics = await cancellable(signal, (ticket) => this.engine.update(sequences, flat, ticket));
    this.updates += 1;
    return metrics;
  }

  /**
   * Computes the metrics of this batch without changing the weights.
   *
   * @throws InvalidRequestError, NonFiniteError, OutOfMemoryError, CancelledError, PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   * import { defaultUpdate, supervisedObjective } from 'exit-rl/policy';
   *
   * const settings = { ...defaultUpdate, learningRate: 1e-4, objective: supervisedObjective };
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const [prompt = new Int32Array(), tokens = new Int32Array()] = policy.encode(['<bos> solve', ' a1x']);
   * const sequences = [{ prompt: 0, tokens, rollout: 0, advantage: 0 }];
   * const { loss } = await policy.evaluate({ prompts: [prompt], sequences }, settings);
   * console.log(loss);
   * await policy.close();
   */
  async evaluate(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<UpdateMetrics> {
    requireSettings('evaluate', settings);
    const flat = nativeSettings(settings);
    const sequences = nativeUpdateBatch('evaluate', batch);
    return cancellable(signal, (ticket) => this.engine.evaluate(sequences, flat, ticket));
  }

  /**
   * Blends the reference policy, θ_ref ← (1 − α) θ_ref + α θ; the policy must be loaded with `reference: true`.
   *
   * @throws InvalidRequestError, PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'), { reference: true });
   * await policy.blendReference(0.6);
   * await policy.close();
   */
  async blendReference(alpha: number): Promise<void> {
    requireArgument('blendReference', { alpha }, number);
    await crossing(() => this.engine.blendReference(alpha));
  }

  /**
   * Writes a folder that transformers loads: config, weights, tokenizer files. For an adapter it writes a PEFT folder.
   *
   * @returns the files, once all are on disk.
   * @throws NativeError `IO`; InvalidRequestError when `maxShardBytes` is not a whole number above 0.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const files = await policy.save('saved-model');
   * console.log(files.map(({ name, size }) => `${name}: ${size} bytes`));
   * await policy.close();
   */
  async save(folder: string, options: SaveOptions = {}): Promise<readonly WrittenFile[]> {
    requireArgument('save', { folder }, text);
    const most = shardBytes(options);
    return crossing(() => this.engine.save(folder, most));
  }

  /**
   * Copies the weights, the optimizer's state and the reference to host memory; the copy can be written while training
   * continues.
   *
   * @throws InvalidRequestError, OutOfMemoryError, PolicyClosedError.
   * @example
   * import { mkdir } from 'node:fs/promises';
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * const snapshot = await policy.snapshot();
   * await mkdir('snapshot');
   * await snapshot.write('snapshot');
   * await policy.close();
   */
  async snapshot(options: SnapshotOptions = {}): Promise<PolicySnapshot> {
    requireFields<SnapshotOptions>('snapshot', options, snapshotFields);
    if (options.copy === false) {
      return { write: (folder, asked = {}) => crossing(() => this.engine.saveTraining(folder, shardBytes(asked))) };
    }
    const snapshot = await crossing(() => this.engine.snapshot());
    return { write: (folder, asked = {}) => crossing(() => snapshot.write(folder, shardBytes(asked))) };
  }

  /**
   * Loads the optimizer's state, unrounded weights and reference weights from a snapshot's `training.safetensors`.
   *
   * @throws NativeError, InvalidRequestError, PolicyClosedError.
   * @example
   * import { mkdir } from 'node:fs/promises';
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('tiny'));
   * await mkdir('checkpoint');
   * await (await policy.snapshot()).write('checkpoint');
   * const resumed = await LocalPolicy.load('checkpoint');
   * await resumed.loadTraining('checkpoint/training.safetensors');
   * await Promise.all([policy.close(), resumed.close()]);
   */
  async loadTraining(file: string): Promise<void> {
    requireArgument('loadTraining', { file }, text);
    await crossing(() => this.engine.loadTraining(file));
  }

  /**
   * Returns the tokens generated since loading, and the number of requests that wait now.
   *
   * @throws PolicyClosedError.
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * await policy.generate('Hi');
   * console.log((await policy.stats()).generatedTokens);
   * await policy.close();
   */
  stats(): Promise<PolicyStats> {
    return crossing(() => this.engine.stats());
  }

  /**
   * Frees the policy after the pending requests. Repeated calls return the same promise; other calls then fail with
   * PolicyClosedError.
   *
   * @example
   * import { LocalPolicy, shippedModel } from 'exit-rl';
   *
   * const policy = await LocalPolicy.load(shippedModel('cafe'));
   * try {
   *   await policy.generate('Hi');
   * } finally {
   *   await policy.close();
   * }
   */
  close(): Promise<void> {
    const close = (): Promise<void> => crossing(() => this.engine.close());
    this.closing ??= this.prompts.pending()?.then(close) ?? close();
    return this.closing;
  }
}
