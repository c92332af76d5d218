/** Loads a model folder for a command. */
import type { ChatOptions } from '../chat/template.js';
import type { RunConfig } from '../config.js';
import { UsageError } from '../errors.js';
import { modelFolder } from '../hub/cache.js';
import type { LocalPolicy } from '../policy/local.js';
import type { LoraOptions } from '../policy/lora.js';
import type { Run } from '../trainer/run.js';
import { type Flags, textFlag, wholeNumber } from './flags.js';

export interface PolicyChoice {
  readonly device: string;
  readonly dtype: RunConfig['dtype'];
  readonly threads: number;
  /** Keeps a reference policy for the KL penalty. */
  readonly reference?: boolean;
  /** A PEFT folder that goes with the model. */
  readonly adapter?: string;
  readonly lora?: LoraOptions;
  /** False where the command only asks the model. */
  readonly trainable?: boolean;
  /** How messages are rendered. */
  readonly chat?: ChatOptions;
  readonly optimizer?: { readonly stateDtype?: 'float32' | 'bfloat16' };
}

/** A folder, or `owner/name` that was fetched. */
export async function loadPolicy(folder: string, choice: PolicyChoice): Promise<LocalPolicy> {
  const { LocalPolicy: policyClass } = await import('../policy/local.js');
  return policyClass.load(modelFolder(folder), { reference: false, ...choice });
}

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

/** The section of a config, without what it leaves open. */
export function givenChat({ template, date, variables }: RunConfig['chat']): ChatOptions {
  return { variables, ...(template !== undefined && { template }), ...(date !== undefined && { date }) };
}

/** What is trained: the adapter of the checkpoint, the one to begin with, a new one, or all weights. */
export function trainedChoice(
  { device, dtype, threads, objective, lora, seed, optimizer, chat }: RunConfig,
  run: Pick<Run, 'adapterFolder'>,
): PolicyChoice {
  const choice = { device, dtype, threads, reference: objective.kl.beta > 0, optimizer, chat: givenChat(chat) };
  if (lora === undefined) return choice;
  const { adapter: first, ...settings } = lora;
  const adapter = run.adapterFolder ?? first;
  return { ...choice, lora: { ...settings, seed }, ...(adapter !== undefined && { adapter }) };
}
