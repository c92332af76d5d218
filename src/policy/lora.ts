/** Adapters: what is trained in place of the weights, and how it gets back into them. */
import { crossing, type NativeLora, native } from '../native.js';

export interface LoraOptions {
  readonly rank: number;
  /** The adapter's difference is scaled by alpha/rank, or alpha/√rank with `rankStabilised`. */
  readonly alpha: number;
  /** Share of the adapter's inputs that are left out while training; default 0. */
  readonly dropout?: number;
  /** Names of linear modules; by default all of them but the head. */
  readonly targetModules?: 'all-linear' | readonly string[];
  readonly rankStabilised?: boolean;
  /** Decides the first A and every dropout mask; default 0. */
  readonly seed?: number;
}

export function nativeLora({
  rank,
  alpha,
  dropout = 0,
  targetModules,
  rankStabilised = false,
  seed = 0,
}: LoraOptions): NativeLora {
  const named = targetModules === undefined || targetModules === 'all-linear' ? undefined : [...targetModules];
  return { rank, alpha, dropout, rankStabilised, seed, ...(named && { targetModules: named }) };
}

export interface MergeRequest {
  /** Folder of the base model. */
  readonly model: string;
  /** PEFT folder. */
  readonly adapter: string;
  /** Where the merged model goes; a folder without a model in it. */
  readonly out: string;
}

/**
 * Writes a model folder with W₀ + s·B·A in the precision and the shards of the base. Holds one weight at a time.
 * @returns the number of adapted weights.
 */
export function mergeAdapter({ model, adapter, out }: MergeRequest): Promise<number> {
  return crossing(() => native('cpu').mergeAdapter(model, adapter, out));
}
