/** state.json of a checkpoint: what the TypeScript side must know to go on as if nothing had happened. */
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import type { CurriculumState } from '../method/curriculum.js';
import type { BestSettings } from '../method/settings.js';
import type { EntropyState } from '../policy/policy.js';
import { type Disk, onDisk, realDisk, runFolderError } from './disk.js';
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

// The best evaluation so far, and early stopping.

/** Part of a run's progress: the best update, and how long ago the last gain was. */
export interface BestState {
  readonly update: number;
  readonly value: number;
  /** Evaluations in a row without a gain above the threshold. */
  readonly withoutGain: number;
}

/** The metric's value, by its name or without the prefix `eval_`, as TRL's users write it. */
function measured(metric: string, metrics: Readonly<Record<string, number>>): number {
  const value = metrics[metric] ?? metrics[`eval_${metric}`];
  if (value !== undefined) return value;
  const names = Object.keys(metrics).join(', ');
  throw new ConfigError([{ key: 'best.metric', message: `\`${metric}\` is no metric of the evaluation`, hint: names }]);
}

/**
 * The state after the evaluation of `update`: transformers' `_determine_best_metric` and `EarlyStoppingCallback`. Any
 * better value is the new best; only a gain above the threshold over the best before it begins the count anew. What is
 * not a number is never the best.
 * @throws ConfigError when the metric is not among the evaluation's.
 */
export function afterEvaluation(
  { metric, greaterIsBetter, threshold }: BestSettings,
  before: BestState | undefined,
  update: number,
  metrics: Readonly<Record<string, number>>,
): BestState | undefined {
  if (metric === undefined) return undefined;
  const value = measured(metric, metrics);
  if (!Number.isFinite(value)) return before && { ...before, withoutGain: before.withoutGain + 1 };
  if (before === undefined) return { update, value, withoutGain: 0 };
  const rises = greaterIsBetter ?? !metric.endsWith('loss');
  const better = rises ? value > before.value : value < before.value;
  const gained = better && Math.abs(value - before.value) > threshold;
  const withoutGain = gained ? 0 : before.withoutGain + 1;
  return better ? { update, value, withoutGain } : { ...before, withoutGain };
}

/** Whether training is over because evaluations have stopped getting better. */
export function isExhausted({ patience }: BestSettings, state: BestState | undefined): boolean {
  return patience > 0 && state !== undefined && state.withoutGain >= patience;
}
