/** state.json of a checkpoint: what the TypeScript side must know to go on as if nothing had happened. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CurriculumState } from '../curriculum/curriculum.js';
import { CheckpointCorruptError } from '../errors.js';

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
}

/** What must be the same for a resumed run. */
export interface RunIdentity {
  readonly config: Readonly<Record<string, unknown>>;
  /** Hash of the model folder that the run started from. */
  readonly model: string;
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

/** @throws CheckpointCorruptError when the file is of another format. */
export async function readState(folder: string): Promise<RunState> {
  const file = join(folder, stateName);
  const state = JSON.parse(await readFile(file, 'utf8')) as RunState;
  if (state.format === formatVersion) return state;
  throw new CheckpointCorruptError(`${file}: format ${state.format} is not ${formatVersion}`, { file });
}
