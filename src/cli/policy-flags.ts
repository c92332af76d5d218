/** Device, dtype, threads and adapter of a command, from its flags and the environment. */
import type { RunConfig } from '../config/parse.js';
import { UsageError } from '../errors.js';
import type { PolicyChoice } from '../run/assemble.js';
import { type Flags, textFlag } from './flags.js';

/** Names of a model for `--model`, in every command; docs/inputs.md says what each means. */
export const modelWords = 'a model, run, checkpoint or adapter folder, or owner/name that was fetched';

/** The help of `--model` and `--adapter`. */
export const modelHelp = `${modelWords[0]?.toUpperCase()}${modelWords.slice(1)}`;
export const adapterHelp = 'Adapter for that model: a PEFT folder, or a run with `lora` or one of its checkpoints';

const dtypes: readonly RunConfig['dtype'][] = ['auto', 'float32', 'bfloat16'];

/** A setting with the flag or the variable that gave it. */
interface Setting {
  readonly name: string;
  readonly value: unknown;
}

/** The flag, else the variable; an empty variable counts as absent. */
function given(flags: Flags, key: 'device' | 'dtype' | 'threads', fallback: unknown): Setting {
  if (flags[key] !== undefined) return { name: `--${key}`, value: flags[key] };
  const name = `EXIT_RL_${key.toUpperCase()}`;
  return { name, value: process.env[name] || fallback };
}

function dtypeOf({ name, value }: Setting): RunConfig['dtype'] {
  const found = dtypes.find((dtype) => dtype === value);
  if (found !== undefined) return found;
  throw new UsageError(`${name} is ${dtypes.join(', ')}, not ${String(value)}`);
}

function countOf({ name, value }: Setting): number {
  const count = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (Number.isSafeInteger(count) && (count as number) >= 0) return count as number;
  throw new UsageError(`${name} takes a whole number of at least 0, not ${String(value)}`);
}

/** Device, dtype, threads and adapter as flags of a command that trains nothing. */
export function policyChoice(flags: Flags): PolicyChoice {
  const device = String(given(flags, 'device', 'auto').value);
  const dtype = dtypeOf(given(flags, 'dtype', 'auto'));
  const threads = countOf(given(flags, 'threads', 0));
  const adapter = textFlag(process.argv, 'adapter');
  const choice = { device, dtype, threads, trainable: false };
  return { ...choice, ...(adapter !== undefined && { adapter }) };
}
