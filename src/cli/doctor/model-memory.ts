/** Estimates the memory that a model needs, for `exit-rl doctor --model`. */
import { UsageError } from '../../errors.js';
import type { MemoryEstimate } from '../../native.js';
import { estimateMemory, type Workload } from '../../policy/estimate-memory.js';
import { defaultUpdate } from '../../policy/settings.js';
import { type Flags, wholeNumber } from '../flags.js';
import { policyChoice } from '../policy-flags.js';

export interface MemoryReport {
  readonly model: string;
  readonly device: string;
  readonly dtype: string;
  readonly workload: Workload;
  readonly estimate: MemoryEstimate;
}

function readWorkload(flags: Flags): Workload {
  return {
    prompts: wholeNumber(flags, 'batch', 16, 1),
    groupSize: wholeNumber(flags, 'groupSize', 8, 1),
    promptTokens: wholeNumber(flags, 'promptTokens', 512, 1),
    maxNewTokens: wholeNumber(flags, 'maxNewTokens', 512, 1),
    microbatchTokens: wholeNumber(flags, 'microbatchTokens', defaultUpdate.microbatchTokens, 1),
    gradientCheckpointing: flags.gradientCheckpointing === true,
    asynchronousSaving: flags.asynchronousSaving !== false,
  };
}

function readStateDtype({ stateDtype = 'float32' }: Flags): 'float32' | 'bfloat16' {
  if (stateDtype === 'float32' || stateDtype === 'bfloat16') return stateDtype;
  throw new UsageError(`--state-dtype is float32 or bfloat16, not ${String(stateDtype)}`);
}

export async function examineMemory(model: string, flags: Flags): Promise<MemoryReport> {
  const { device, dtype, threads } = policyChoice(flags);
  const optimizer = { stateDtype: readStateDtype(flags) };
  const rank = wholeNumber(flags, 'loraRank', 0);
  const targets = flags.loraTargetModules === undefined ? undefined : String(flags.loraTargetModules);
  if (targets !== undefined && rank === 0) throw new UsageError('--lora-target-modules needs --lora-rank');
  const targetModules = targets === undefined || targets === 'all-linear' ? undefined : targets.split(',');
  const options = {
    device,
    dtype,
    threads,
    reference: flags.reference === true,
    optimizer,
    ...(rank > 0 && { lora: { rank, alpha: rank, ...(targetModules && { targetModules }) } }),
  };
  const workload = readWorkload(flags);
  return { model, device, dtype, workload, estimate: await estimateMemory(model, options, workload) };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(bytes < 1e9 ? 3 : 2)} GB`;

/** Formats the report as lines for a person. */
export function describeMemory({ model, device, dtype, workload, estimate }: MemoryReport): string[] {
  const { promptTokens, maxNewTokens, prompts, groupSize } = workload;
  const parts: readonly (readonly [string, number, string])[] = [
    ['process', estimate.base, 'Node, the addon and libtorch'],
    ['tokenizer', estimate.tokenizer, ''],
    ['weights', estimate.weights, ''],
    ['kernels', estimate.packed, 'the weights repacked for the CPU kernels'],
    ['reference', estimate.reference, 'the reference policy'],
    ['adapter', estimate.adapter, 'LoRA, and the merged weights'],
    ['gradients', estimate.gradient, ''],
    ['optimizer', estimate.optimizer, "AdamW's moments"],
    ['KV cache', estimate.kvCache, ''],
    ['decoding', estimate.decoding, 'logits and sampling of a step'],
    ['activations', estimate.activations, 'of the largest microbatch'],
    ['logits', estimate.logits, ''],
    ['save copy', estimate.saveCopy, 'the source of asynchronous saves, in host memory, kept after the first save'],
  ];
  const width = 12;
  const place = estimate.onDevice ? `on ${device}` : 'on the CPU';
  return [
    `${model}: ${estimate.parameters.toLocaleString('en')} parameters, ${dtype} ${place}, ${estimate.backend}`,
    `${prompts} prompts × ${groupSize} completions, ${promptTokens} + ${maxNewTokens} tokens`,
    ...parts
      .filter(([, bytes]) => bytes > 0)
      .map(([name, bytes, what]) => `  ${name.padEnd(width)}${gigabytes(bytes).padStart(10)}  ${what}`.trimEnd()),
    `  ${'peak'.padEnd(width)}${gigabytes(estimate.peakLoad).padStart(10)}  loaded`,
    `  ${''.padEnd(width)}${gigabytes(estimate.peakGenerate).padStart(10)}  generating`,
    `  ${''.padEnd(width)}${gigabytes(estimate.peakUpdate).padStart(10)}  updating`,
    ...(estimate.saveCopy > 0
      ? [`  ${''.padEnd(width)}${gigabytes(estimate.peakSave).padStart(10)}  updating after an asynchronous save`]
      : []),
    ...(estimate.onDevice ? ['Not counted: the CUDA context on the device, whose size depends on the driver.'] : []),
  ];
}
