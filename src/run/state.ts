/** state.json of a checkpoint: the state of the TypeScript side, from which a resumed run continues exactly. */
import { join } from 'node:path';
import type { RunConfig } from '../config/parse.js';
import { type Disk, onDisk, realDisk, runFolderError } from '../disk/disk.js';
import { corrupt } from '../disk/manifest.js';
import { ConfigError } from '../errors.js';
import type { CurriculumState } from '../method/curriculum.js';
import type { EntropyState } from '../policy/policy.js';
import type { CodeIdentity } from './code-identity.js';
import type { MetricsRow } from './metrics.js';

export const stateName = 'state.json';
// 2: a curriculum counts observed batches, and keeps no open one.
// 3: entries of the buffer hold the age and the origin of their scores, and their parent.
const formatVersion = 3;

/** Counters of a run. Random streams need none, because the run's seed and the update's number determine each. */
export interface Progress {
  /** Finished updates. */
  update: number;
  /** Updates that changed the weights. */
  trained: number;
  /** Tokens of all batches, prompts included. */
  tokens: number;
  /** Consecutive updates that the engine refused because a number was not finite. */
  nonFinite: number;
  /** The best evaluation so far; absent before the first, and without `best.metric`. */
  best?: BestState;
  /** Metrics of the last update while they lack its evaluation, which was interrupted. */
  unevaluated?: MetricsRow;
  /** State of an adaptive entropy bonus; absent before the first update, and for a constant weight. */
  entropy?: EntropyState;
}

/** The facts that a resumed run must share with the earlier one. */
export interface RunIdentity {
  readonly config: Readonly<Record<string, unknown>>;
  /** Hash of the weights and config of the initial model folder; empty when the folder is absent. */
  readonly model: string;
  /** Hash of its tokenizer files and chat template. */
  readonly tokenizer: string;
  /** Hash of the training tasks. */
  readonly tasks: string;
  /** Hashes of the modules that the config names; absent in the checkpoints of earlier versions. */
  readonly code?: CodeIdentity;
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

/** Parses the file. @throws CheckpointCorruptError when it holds no object, which a valid manifest does not rule out. */
function parseState(folder: string, text: string): RunState {
  try {
    const state: unknown = JSON.parse(text);
    if (typeof state === 'object' && state !== null) return state as RunState;
  } catch {
    // Reported below, like JSON that is not an object.
  }
  throw corrupt(folder, `${stateName} does not hold the state of a run`);
}

/**
 * Reads the state of a verified checkpoint.
 * @throws RunFolderError when another version wrote it, CheckpointCorruptError when it does not hold a state.
 */
export async function readState(folder: string, disk: Disk = realDisk): Promise<RunState> {
  const file = join(folder, stateName);
  const bytes = await onDisk(file, () => disk.read(file));
  const state = parseState(folder, Buffer.from(bytes).toString('utf8'));
  if (state.format === formatVersion) return state;
  const problem = `field format: the checkpoint has ${state.format}, this version reads ${formatVersion}`;
  throw runFolderError(file, problem, 'resume with the version of exit-rl that wrote it');
}

// The best evaluation so far, and early stopping.

/** Part of a run's progress: the best update and its value, and the evaluations since the last gain. */
export interface BestState {
  readonly update: number;
  readonly value: number;
  /** Consecutive evaluations without a gain above the threshold. */
  readonly withoutGain: number;
}

type Metrics = Readonly<Record<string, number>>;

/** Whether the verifier or the rewards failed for every answer, so that an evaluation lacks the metrics that it has else. */
function isUnmeasured(metrics: Metrics): boolean {
  const noRewards = metrics.eval_groups_dropped !== undefined && metrics.eval_reward === undefined;
  return noRewards || metrics['eval/left_out'] === 1;
}

/**
 * Reads a metric by its name; like transformers it accepts the name without the prefix `eval_`. Undefined where the
 * evaluation measured nothing.
 * @throws ConfigError when an evaluation has no such metric.
 */
function readMetric(metric: string, metrics: Metrics): number | undefined {
  const value = metrics[metric] ?? metrics[`eval_${metric}`];
  if (value !== undefined || isUnmeasured(metrics)) return value;
  const names = Object.keys(metrics).join(', ');
  throw new ConfigError([{ key: 'best.metric', message: `the evaluation has no metric \`${metric}\``, hint: names }]);
}

/**
 * Returns the state after the evaluation of `update`, as transformers' `_determine_best_metric` and `EarlyStoppingCallback`
 * compute it. Any better value becomes the best; only a gain above the threshold over the previous best resets the count.
 * A value that is not finite never becomes the best, and an evaluation that measured nothing changes nothing.
 * @throws ConfigError when the evaluation has no such metric.
 */
export function afterEvaluation(
  { metric, greaterIsBetter, threshold }: RunConfig['best'],
  before: BestState | undefined,
  update: number,
  metrics: Metrics,
): BestState | undefined {
  if (metric === undefined) return undefined;
  const value = readMetric(metric, metrics);
  if (value === undefined) return before;
  if (!Number.isFinite(value)) return before && { ...before, withoutGain: before.withoutGain + 1 };
  if (before === undefined) return { update, value, withoutGain: 0 };
  const rises = greaterIsBetter ?? !metric.endsWith('loss');
  const better = rises ? value > before.value : value < before.value;
  const gained = better && Math.abs(value - before.value) > threshold;
  const withoutGain = gained ? 0 : before.withoutGain + 1;
  return better ? { update, value, withoutGain } : { ...before, withoutGain };
}

/** Whether training stops early, after `patience` evaluations without a gain. */
export function isExhausted({ patience }: RunConfig['best'], state: BestState | undefined): boolean {
  return patience > 0 && state !== undefined && state.withoutGain >= patience;
}
