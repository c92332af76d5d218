/** Device, dtype, threads and adapter of a command, from its flags and the environment. */
import type { RunConfig } from '../config/parse.js';
import { UsageError } from '../errors.js';
import type { PolicyChoice } from '../run/assemble.js';
import { type Flags, textFlag, wholeNumber } from './flags.js';

/** Names of a model for `--model`, in every command; docs/inputs.md says what each means. */
export const modelWords = 'a model, run, checkpoint or adapter folder, or owner/name that was fetched';

/** The help of `--model` and `--adapter`. */
export const modelHelp = `${modelWords[0]?.toUpperCase()}${modelWords.slice(1)}`;
export const adapterHelp = 'Adapter for that model: a PEFT folder, or a run with `lora` or one of its checkpoints';

const dtypes: readonly RunConfig['dtype'][] = ['auto', 'float32', 'bfloat16'];

function dtypeOf(value: unknown): RunConfig['dtype'] {
  const found = dtypes.find((dtype) => dtype === value);
  if (found !== undefined) return found;
  throw new UsageError(`--dtype is ${dtypes.join(', ')}, not ${String(value)}`);
}

/** Device, dtype, threads and adapter as flags of a command that trains nothing. */
export function policyChoice(flags: Flags): PolicyChoice {
  const { device = process.env.EXIT_RL_DEVICE ?? 'auto', dtype = process.env.EXIT_RL_DTYPE ?? 'auto' } = flags;
  const threads = wholeNumber(flags, 'threads', Number(process.env.EXIT_RL_THREADS ?? 0));
  const adapter = textFlag(process.argv, 'adapter');
  const choice = { device: String(device), dtype: dtypeOf(dtype), threads, trainable: false };
  return { ...choice, ...(adapter !== undefined && { adapter }) };
}
