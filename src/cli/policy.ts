/** Loads a model folder for a command. */
import type { RunConfig } from '../config.js';
import { UsageError } from '../errors.js';
import type { LocalPolicy } from '../policy/local.js';
import { type Flags, wholeNumber } from './flags.js';

export interface PolicyChoice {
  readonly device: string;
  readonly dtype: RunConfig['dtype'];
  readonly threads: number;
  /** Keeps a reference policy for the KL penalty. */
  readonly reference?: boolean;
}

export async function loadPolicy(folder: string, choice: PolicyChoice): Promise<LocalPolicy> {
  const { LocalPolicy: policyClass } = await import('../policy/local.js');
  const { device, dtype, threads, reference = false } = choice;
  return policyClass.load(folder, { device, dtype, threads, reference });
}

const dtypes: readonly RunConfig['dtype'][] = ['auto', 'float32', 'bfloat16'];

function dtypeOf(value: unknown): RunConfig['dtype'] {
  const found = dtypes.find((dtype) => dtype === value);
  if (found !== undefined) return found;
  throw new UsageError(`--dtype is ${dtypes.join(', ')}, not ${String(value)}`);
}

/** Device, dtype and threads as flags of a command. */
export function policyChoice(flags: Flags): PolicyChoice {
  const { device = process.env.EXIT_RL_DEVICE ?? 'auto', dtype = process.env.EXIT_RL_DTYPE ?? 'auto' } = flags;
  const threads = wholeNumber(flags, 'threads', Number(process.env.EXIT_RL_THREADS ?? 0));
  return { device: String(device), dtype: dtypeOf(dtype), threads };
}
