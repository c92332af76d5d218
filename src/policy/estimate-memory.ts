/** Estimates the memory that a policy takes, before it is loaded. */
import { type Fields, flag, positiveCount, positiveNumber, requireFields } from '../arguments.js';
import { findModel } from '../disk/model-source.js';
import { crossing, type MemoryEstimate, native } from '../native.js';
import { type LocalPolicyOptions, nativeOptions, requireLoadArguments } from './options.js';
import { defaultUpdate } from './settings.js';

/** The sizes of one batch; every key has a default. */
export interface Workload {
  /** Prompts generated and trained together, each with `groupSize` completions; default 16. */
  readonly prompts?: number;
  /** Default 8. */
  readonly groupSize?: number;
  /** Tokens of a prompt; default 512. */
  readonly promptTokens?: number;
  /** Tokens of a completion; default 512. */
  readonly maxNewTokens?: number;
  /** Padded tokens of one forward pass; default 16384. */
  readonly microbatchTokens?: number;
  /** Largest size of the logits in memory, in bytes; default 256 MiB. */
  readonly logitsBytes?: number;
  /** Recomputes activations in the backward pass; default false. */
  readonly gradientCheckpointing?: boolean;
  /** Copies the training state to host memory for every checkpoint, as `checkpoint.asynchronous` does; default true. */
  readonly asynchronousSaving?: boolean;
}

const workloadFields: Fields<Workload> = {
  prompts: positiveCount,
  groupSize: positiveCount,
  promptTokens: positiveCount,
  maxNewTokens: positiveCount,
  microbatchTokens: positiveCount,
  logitsBytes: positiveNumber,
  gradientCheckpointing: flag,
  asynchronousSaving: flag,
};

/**
 * Estimates memory in bytes: by purpose, and the peaks while loading, generating and updating. It reads config.json and
 * the headers of the weight files. `model` names one as in `LocalPolicy.load`.
 *
 * @throws InvalidRequestError for an option that is unknown or of the wrong type; ModelFolderError, DeviceError.
 * @example
 * import { shippedModel } from 'exit-rl';
 * import { estimateMemory } from 'exit-rl/policy';
 *
 * const { peakUpdate } = await estimateMemory(shippedModel('tiny'), { device: 'cpu' }, { prompts: 4, groupSize: 8 });
 * console.log(`${(peakUpdate / 2 ** 20).toFixed(0)} MiB`);
 */
export async function estimateMemory(
  model: string,
  options: LocalPolicyOptions = {},
  workload: Workload = {},
): Promise<MemoryEstimate> {
  requireLoadArguments('estimateMemory', model, options);
  requireFields<Workload>('estimateMemory', workload, workloadFields);
  const { folder, adapter } = await findModel(model, options.adapter);
  const choice = nativeOptions({ ...options, ...(adapter !== undefined && { adapter }) });
  const load = {
    prompts: workload.prompts ?? 16,
    groupSize: workload.groupSize ?? 8,
    promptTokens: workload.promptTokens ?? 512,
    newTokens: workload.maxNewTokens ?? 512,
    microbatchTokens: workload.microbatchTokens ?? defaultUpdate.microbatchTokens,
    logitsBytes: workload.logitsBytes ?? defaultUpdate.logitsBytes,
    gradientCheckpointing: workload.gradientCheckpointing ?? defaultUpdate.gradientCheckpointing,
    asynchronousSaving: workload.asynchronousSaving ?? true,
  };
  return crossing(() => native(choice.device).estimateMemory(folder, choice, load));
}
