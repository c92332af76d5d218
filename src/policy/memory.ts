/** What a policy will take of memory, before it is loaded. */
import { crossing, type MemoryEstimate, native } from '../native.js';
import { type LocalPolicyOptions, nativeOptions } from './options.js';
import { defaultUpdate } from './settings.js';

/** What is generated and trained together. */
export interface Workload {
  /** Prompts, each with `groupSize` completions. */
  readonly prompts?: number;
  readonly groupSize?: number;
  readonly promptTokens?: number;
  readonly maxNewTokens?: number;
  readonly microbatchTokens?: number;
  readonly gradientCheckpointing?: boolean;
  /** Checkpoints are written from a copy while training goes on, as `checkpoint.asynchronous` says; true when absent. */
  readonly asynchronousSaving?: boolean;
}

/**
 * Bytes by purpose, and the peaks of loading, generating and updating. Reads config.json and the headers of the weights.
 * @throws ModelFolderError, DeviceError.
 */
export function estimateMemory(
  folder: string,
  options: LocalPolicyOptions = {},
  workload: Workload = {},
): Promise<MemoryEstimate> {
  const choice = nativeOptions(options);
  const load = {
    prompts: workload.prompts ?? 16,
    groupSize: workload.groupSize ?? 8,
    promptTokens: workload.promptTokens ?? 512,
    newTokens: workload.maxNewTokens ?? 512,
    microbatchTokens: workload.microbatchTokens ?? defaultUpdate.microbatchTokens,
    gradientCheckpointing: workload.gradientCheckpointing ?? defaultUpdate.gradientCheckpointing,
    asynchronousSaving: workload.asynchronousSaving ?? true,
  };
  return crossing(() => native(choice.device).estimateMemory(folder, choice, load));
}
