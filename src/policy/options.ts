/** The options of loading a local policy, and their form at the border. */
import {
  callback,
  count,
  type Fields,
  flag,
  oneOf,
  positiveNumber,
  record,
  required,
  requireFields,
  text,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import { type Dtype, type LoadOptions, resolveDtype } from '../native.js';
import type { OnNotice } from '../notices.js';
import { type LoraOptions, loraFields, nativeLora } from './adapters.js';

/** How `LocalPolicy.load` loads a model; every key has a default. */
export interface LocalPolicyOptions {
  /** `auto` (CUDA where it can be used, the default), `cpu`, `cuda` or `cuda:N`. */
  readonly device?: string;
  /** `auto`, the default, is float32 on the CPU and bfloat16 elsewhere. */
  readonly dtype?: Dtype;
  /** CPU threads; 0, the default, takes all cores. */
  readonly threads?: number;
  /** Keeps a copy of the weights as the reference policy, for the KL penalty; default false. */
  readonly reference?: boolean;
  /** Completions generated at a time; 0, the default, lets the engine choose. */
  readonly slots?: number;
  /** `kernels`: ours, float32 on the CPU; `torch`: libtorch; `auto`, the default, takes the first that fits. */
  readonly backend?: 'auto' | 'kernels' | 'torch';
  /** Padded tokens of one forward pass of `logprobs` and `states`; default 16384. */
  readonly microbatchTokens?: number;
  /** False for a policy that is never updated: in bfloat16 it then holds no unrounded weights. Default true. */
  readonly trainable?: boolean;
  /** How the optimizer stores its state. */
  readonly optimizer?: {
    /** Precision of AdamW's moments, default float32; bfloat16 halves their memory. */
    readonly stateDtype?: 'float32' | 'bfloat16';
  };
  /** Trains an adapter in place of the weights, which do not change. */
  readonly lora?: LoraOptions;
  /** A PEFT folder, or a run with `lora`, whose adapter is loaded and trained; `save` then writes one. */
  readonly adapter?: string;
  /** How messages are rendered; the `chat` of a request overrides it key by key. */
  readonly chat?: ChatOptions;
  /**
   * Receives a line, which names the file, for what the folder holds and nobody reads: unknown keys, for example. By default
   * each line is written to standard error once.
   */
  readonly onNotice?: OnNotice;
}

const optionFields: Fields<LocalPolicyOptions> = {
  device: text,
  dtype: oneOf('auto', 'float32', 'bfloat16'),
  threads: count,
  reference: flag,
  slots: count,
  backend: oneOf('auto', 'kernels', 'torch'),
  microbatchTokens: positiveNumber,
  trainable: flag,
  optimizer: record({ stateDtype: oneOf('float32', 'bfloat16') }),
  lora: record(loraFields),
  adapter: text,
  chat: record(chatFields),
  onNotice: callback,
};

/** Maps names of transformers, PEFT, vLLM and node-llama-cpp to our keys, for suggestions in errors. */
const otherNames = {
  torch_dtype: 'dtype',
  device_map: 'device',
  gpu: 'device',
  peft_config: 'lora',
  r: 'rank',
  lora_alpha: 'alpha',
  lora_dropout: 'dropout',
  target_modules: 'targetModules',
  use_rslora: 'rankStabilised',
};

/** @throws InvalidRequestError for a model that is not a text and for options that are unknown or of the wrong type. */
export function requireLoadArguments(subject: string, model: unknown, options: unknown): void {
  requireFields<{ model: string }>(subject, { model }, { model: required(text) });
  requireFields<LocalPolicyOptions>(subject, options, optionFields, otherNames);
}

/** Fills in the defaults and converts the options for the engine. */
export function nativeOptions(options: LocalPolicyOptions): LoadOptions {
  const { device = 'auto', threads = 0, reference = false, slots = 0, backend = 'auto', trainable = true } = options;
  const dtype = resolveDtype(options.dtype ?? 'auto', device);
  const stateDtype = resolveDtype(options.optimizer?.stateDtype ?? 'float32', device);
  const { lora, adapter } = options;
  return {
    ...{ device, dtype, threads, reference, slots, backend, trainable, stateDtype },
    ...(lora && { lora: nativeLora(lora) }),
    ...(adapter !== undefined && { adapter }),
  };
}
