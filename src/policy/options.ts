/** How a local policy is loaded, and how the engine is told. */
import {
  type Fields,
  flag,
  oneOf,
  positiveNumber,
  record,
  required,
  requireFields,
  text,
  wholeNumber,
} from '../arguments.js';
import { type ChatOptions, chatFields } from '../chat/template.js';
import { type Dtype, type LoadOptions, resolveDtype } from '../native.js';
import { type LoraOptions, loraFields, nativeLora } from './lora.js';

export interface LocalPolicyOptions {
  /** `auto` (CUDA where it can be used), `cpu`, `cuda` or `cuda:N`. */
  readonly device?: string;
  /** `auto` is float32 on the CPU and bfloat16 elsewhere. */
  readonly dtype?: Dtype;
  /** CPU threads; 0 takes all cores. */
  readonly threads?: number;
  /** Keeps a reference policy, for the KL penalty. */
  readonly reference?: boolean;
  /** Completions generated at a time; 0 lets the engine choose. */
  readonly slots?: number;
  readonly backend?: 'auto' | 'kernels' | 'torch';
  readonly microbatchTokens?: number;
  /** False for a policy that only answers: in bfloat16 it then holds no unrounded weights. */
  readonly trainable?: boolean;
  readonly optimizer?: {
    /** Precision of AdamW's moments; bfloat16 halves their memory. */
    readonly stateDtype?: 'float32' | 'bfloat16';
  };
  /** Trains an adapter in place of the weights, which stay as they are. */
  readonly lora?: LoraOptions;
  /** A PEFT folder to begin with; `save` then writes one. */
  readonly adapter?: string;
  /** How messages are rendered where a request does not say it. */
  readonly chat?: ChatOptions;
}

const optionFields: Fields<LocalPolicyOptions> = {
  device: text,
  dtype: oneOf('auto', 'float32', 'bfloat16'),
  threads: wholeNumber,
  reference: flag,
  slots: wholeNumber,
  backend: oneOf('auto', 'kernels', 'torch'),
  microbatchTokens: positiveNumber,
  trainable: flag,
  optimizer: record({ stateDtype: oneOf('float32', 'bfloat16') }),
  lora: record(loraFields),
  adapter: text,
  chat: record(chatFields),
};

/** The names that transformers, PEFT, vLLM and node-llama-cpp have for a key. */
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

/** @throws InvalidRequestError for a folder that is no text and for options that are unknown or of the wrong type. */
export function requireLoadArguments(subject: string, folder: unknown, options: unknown): void {
  requireFields<{ folder: string }>(subject, { folder }, { folder: required(text) });
  requireFields<LocalPolicyOptions>(subject, options, optionFields, otherNames);
}

/** The options as the engine takes them, with every choice made. */
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
