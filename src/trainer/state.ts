/** state.json of a checkpoint: what the TypeScript side must know to go on as if nothing had happened. */
import { join } from 'node:path';
import type { CurriculumState } from '../curriculum/curriculum.js';
import type { EntropyState } from '../policy/policy.js';
import type { BestState } from './best.js';
import { type Disk, realDisk } from './disk.js';
import { onDisk, runFolderError } from './disk-errors.js';

import { corrupt } from './manifest.js';
import type { MetricsRow } from './metrics.js';

export const stateName = 'state.json';
const formatVersion = 1;

/** Counters of a run. Random streams need none: each is a function of the run's seed and the update's number. */
export interface Progress {
  /** Finished updates. */
  update: number;
  /** Tokens of the run so far. */
  tokens: number;
  /** Updates refused in a row because a number was not finite. */
  nonFinite: number;
  /** The best evaluation so far; absent before the first, or where none is asked for. */
  best?: BestState;
  /** Metrics of the last update while its evaluation, which was interrupted, is missing from them. */
  unevaluated?: MetricsRow;
  /** Absent before the first update, and where the weight is constant. */
  entropy?: EntropyState;
}

/** What must be the same for a resumed run. */
export interface RunIdentity {
  readonly config: Readonly<Record<string, unknown>>;
  /** Hash of what the model folder that the run started from computes; empty where there is no folder. */
  readonly model: string;
  /** Hash of its tokenizer files and chat template. */
  readonly tokenizer: string;
  /** Hash of the training tasks. */
  readonly tasks: string;
}

export interface RunState {
  readonly format: number;
  readonly progress: Readonly<Progress>;
  readonly identity: RunIdentity;
  readonly metricsBytes: number;
  readonly tracesBytes: number;
  readonly curriculum: CurriculumState;
}

export function serialiseState(state: Omit<RunState, 'format'>): string {
  return `${JSON.stringify({ format: formatVersion, ...state })}\n`;
}

/** The object of the file; what a manifest vouches for can still have been written by something else. */
function parseState(folder: string, text: string): RunState {
  try {
    const state: unknown = JSON.parse(text);
    if (typeof state === 'object' && state !== null) return state as RunState;
  } catch {
    // Reported below, as is JSON that is no object.
  }
  throw corrupt(folder, `${stateName} is not a state`);
}

/** Reads what a verified checkpoint holds. @throws RunFolderError when another version wrote it, CheckpointCorruptError when it is no state. */
export async function readState(folder: string, disk: Disk = realDisk): Promise<RunState> {
  const file = join(folder, stateName);
  const bytes = await onDisk(file, () => disk.read(file));
  const state = parseState(folder, Buffer.from(bytes).toString('utf8'));
  if (state.format === formatVersion) return state;
  const problem = `field format: the checkpoint has ${state.format}, this version reads ${formatVersion}`;
  throw runFolderError(file, problem, 'resume with the version of exit-rl that wrote it');
}
