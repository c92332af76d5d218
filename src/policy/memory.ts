/** What a policy will take of memory, before it is loaded. */
import { type Fields, flag, positiveNumber, requireFields } from '../arguments.js';
import { crossing, type MemoryEstimate, native } from '../native.js';
import { type LocalPolicyOptions, nativeOptions, requireLoadArguments } from './options.js';

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

const workloadFields: Fields<Workload> = {
  prompts: positiveNumber,
  groupSize: positiveNumber,
  promptTokens: positiveNumber,
  maxNewTokens: positiveNumber,
  microbatchTokens: positiveNumber,
  gradientCheckpointing: flag,
  asynchronousSaving: flag,
};

/**
 * Bytes by purpose, and the peaks of loading, generating and updating. Reads config.json and the headers of the weights.
 * @throws ModelFolderError, DeviceError.
 */
export async function estimateMemory(
  folder: string,
  options: LocalPolicyOptions = {},
  workload: Workload = {},
): Promise<MemoryEstimate> {
  requireLoadArguments('estimateMemory', folder, options);
  requireFields<Workload>('estimateMemory', workload, workloadFields);
  const choice = nativeOptions(options);
  const load = {
    prompts: workload.prompts ?? 16,
    groupSize: workload.groupSize ?? 8,
    promptTokens: workload.promptTokens ?? 512,
    newTokens: workload.maxNewTokens ?? 512,
    microbatchTokens: workload.microbatchTokens ?? 16384,
    gradientCheckpointing: workload.gradientCheckpointing ?? false,
    asynchronousSaving: workload.asynchronousSaving ?? true,
  };
  return crossing(() => native(choice.device).estimateMemory(folder, choice, load));
}
