/** Flattens batches for the engine, and checks the arguments of an update. */
import {
  anyRecord,
  count,
  type Fields,
  flag,
  float32Array,
  int32Array,
  listOf,
  number,
  positiveNumber,
  record,
  required,
  requireFields,
  uint8Array,
} from '../arguments.js';
import type { NativeBatch } from '../native.js';
import { concat, offsetsOf } from '../ragged.js';
import type { TokenBatch, TokenSequence, TrainingSequence, UpdateBatch, UpdateSettings } from './policy.js';

const sequenceFields: Fields<TrainingSequence> = {
  prompt: required(count),
  tokens: required(int32Array),
  rollout: count,
  advantage: number,
  mask: uint8Array,
  behaviourLogprobs: float32Array,
  step: count,
};

const tokenBatchFields: Fields<TokenBatch> = {
  prompts: required(listOf(int32Array)),
  sequences: required(listOf(record(sequenceFields))),
};

const updateBatchFields: Fields<UpdateBatch> = {
  ...tokenBatchFields,
  sequences: required(listOf(record({ ...sequenceFields, rollout: required(count), advantage: required(number) }))),
};

/** A sequence with or without the fields of a trained one. */
type Sequence = TokenSequence & Partial<TrainingSequence>;

function flatMask(sequences: readonly Sequence[]): Uint8Array {
  if (sequences.every(({ mask }) => mask === undefined)) return new Uint8Array();
  return concat(
    Uint8Array,
    sequences.map(({ mask, tokens }) => mask ?? new Uint8Array(tokens.length).fill(1)),
  );
}

/** Concatenates the behaviour log-probabilities; empty unless every sequence has them. */
function flatBehaviourLogprobs(sequences: readonly Sequence[]): Float32Array {
  const known = sequences.flatMap(({ behaviourLogprobs: logprobs }) => (logprobs === undefined ? [] : [logprobs]));
  return known.length === sequences.length ? concat(Float32Array, known) : new Float32Array();
}

/** Lists the optimizer step of each sequence; empty when one step takes the whole batch. */
function flatSteps(sequences: readonly Sequence[]): Uint32Array {
  if (sequences.every(({ step }) => step === undefined)) return new Uint32Array();
  return Uint32Array.from(sequences, ({ step = 0 }) => step);
}

function flat(prompts: readonly Int32Array[], sequences: readonly Sequence[]): NativeBatch {
  const tokens = sequences.map((sequence) => sequence.tokens);
  return {
    promptTokens: concat(Int32Array, prompts),
    promptOffsets: offsetsOf(prompts),
    tokens: concat(Int32Array, tokens),
    offsets: offsetsOf(tokens),
    prompt: Uint32Array.from(sequences, ({ prompt }) => prompt),
    rollout: Uint32Array.from(sequences, ({ rollout }, at) => rollout ?? at),
    advantage: Float32Array.from(sequences, ({ advantage = 0 }) => advantage),
    mask: flatMask(sequences),
    behaviourLogprobs: flatBehaviourLogprobs(sequences),
    step: flatSteps(sequences),
  };
}

/** Flattens a batch for inference. @throws InvalidRequestError for keys that are missing, unknown, or of the wrong type. */
export function nativeTokenBatch(subject: string, batch: TokenBatch): NativeBatch {
  requireFields<TokenBatch>(subject, batch, tokenBatchFields);
  return flat(batch.prompts, batch.sequences);
}

/** Flattens a batch for an update. @throws InvalidRequestError for keys that are missing, unknown, or of the wrong type. */
export function nativeUpdateBatch(subject: string, batch: UpdateBatch): NativeBatch {
  requireFields<UpdateBatch>(subject, batch, updateBatchFields);
  return flat(batch.prompts, batch.sequences);
}

/** The engine checks the fields of the objective. */
const settingsFields: Fields<UpdateSettings> = {
  objective: required(anyRecord),
  temperature: required(number),
  entropyState: anyRecord,
  learningRate: required(number),
  adamBeta1: required(number),
  adamBeta2: required(number),
  adamEpsilon: required(number),
  weightDecay: required(number),
  maxGradNorm: required(number),
  microbatchTokens: required(positiveNumber),
  gradientCheckpointing: required(flag),
  logitsBytes: required(positiveNumber),
};

/** Checks the settings of an update. @throws InvalidRequestError for settings beside the objective that are missing, unknown, or of the wrong type. */
export function requireSettings(subject: string, settings: UpdateSettings): void {
  requireFields<UpdateSettings>(subject, settings, settingsFields);
}
