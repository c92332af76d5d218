/** Begins a run in a new folder, or goes on with one from its latest (or a named) checkpoint. */
import { basename, dirname, join } from 'node:path';
import { RunFolderError } from '../errors.js';
import type { TrainSettings } from '../method/settings.js';
import type { TaskFamily } from '../task/task.js';
import {
  createRetention,
  type FoundCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  type Retention,
  restoreReplaced,
} from './checkpoint.js';
import { type Disk, onDisk, realDisk, runFolderError } from './disk.js';
import { lockRunFolder, openRunFolder, type RunFolder } from './folder.js';
import {
  canonicalJson,
  changedVersions,
  currentVersions,
  fingerprintEmbedder,
  fingerprintModel,
  hashList,
} from './identity.js';
import type { Lock } from './lock.js';
import { manifestName, readManifest, verifyCheckpoint } from './manifest.js';
import { type RunIdentity, type RunState, readState } from './state.js';

export interface OpenRunOptions {
  readonly config: TrainSettings & { readonly model: string };
  readonly family: TaskFamily;
  /** The run folder; or, to resume, a run folder or one of its checkpoint folders. */
  readonly path: string;
  readonly resume?: boolean;
  /** Fields that may differ from the run that is resumed. */
  readonly allowedChanges?: readonly string[];
  /** Told about what was repaired, for example a corrupt checkpoint that was set aside. */
  readonly warn?: (message: string) => void;
  /** Where the run folder lies; by default this machine's disk. */
  readonly disk?: Disk;
}

/** An open, locked run folder. Close it when training is over. */
export interface Run {
  readonly folder: RunFolder;
  readonly retention: Retention;
  /** Load the policy from here: the config's model, or the checkpoint to go on from. */
  readonly modelFolder: string;
  /** The adapter to go on with, where a checkpoint holds one: it belongs to `modelFolder`. */
  readonly adapterFolder?: string;
  readonly identity: RunIdentity;
  readonly resumed?: { readonly checkpoint: string; readonly state: RunState };
  readonly warn: (message: string) => void;
  close(): Promise<void>;
}

async function identify({ config, family }: OpenRunOptions): Promise<RunIdentity> {
  const { model = '', tokenizer = '' } = (await fingerprintModel(config.model)) ?? {};
  const { embedder } = config.diversity;
  const vectors = typeof embedder === 'object' && { embedder: await fingerprintEmbedder(embedder.model) };
  // Keys in one order, wherever the config came from: a resumed run writes the same bytes.
  const sorted = JSON.parse(canonicalJson({ ...config, ...vectors })) as Record<string, unknown>;
  return { config: sorted, model, tokenizer, tasks: hashList(family.tasks('train')) };
}

/** Splits `RUN/checkpoint-N` into run and checkpoint; any other path is a run. */
function splitPath(path: string): { run: string; named?: FoundCheckpoint } {
  const update = /^checkpoint-(\d+)$/.exec(basename(path))?.[1];
  return update === undefined ? { run: path } : { run: dirname(path), named: { folder: path, update: Number(update) } };
}

/** Checkpoints after the named one belong to a future that will not happen. */
async function supersede(disk: Disk, run: string, named: FoundCheckpoint): Promise<void> {
  const later = (await listCheckpoints(run, disk)).filter(({ update }) => update > named.update);
  for (const { folder } of later) {
    await onDisk(folder, () => disk.rename(folder, `${folder}.superseded-${process.pid}`));
  }
  if (later.length > 0) await onDisk(run, () => disk.flush(run));
}

interface Found extends FoundCheckpoint {
  readonly state: RunState;
}

/** The checkpoint to go on from. A named one is taken or refused, never replaced. */
async function findCheckpoint(options: OpenRunOptions, disk: Disk): Promise<Found | undefined> {
  const { warn = () => {} } = options;
  const { run, named } = splitPath(options.path);
  if (named) await verifyCheckpoint(named.folder, disk);
  const found = named ?? (await latestCheckpoint(run, warn, disk));
  if (found === undefined) return undefined;
  const { versions } = await readManifest(disk, found.folder);
  const changed = changedVersions(versions, currentVersions());
  if (changed) warn(`${found.folder} was written by other versions (${changed}): the numbers may differ from then on`);
  return { ...found, state: await readState(found.folder, disk) };
}

async function resumeLocked(options: OpenRunOptions, disk: Disk, lock: Lock): Promise<Run> {
  const { warn = () => {}, allowedChanges = [], config } = options;
  const { run, named } = splitPath(options.path);
  await restoreReplaced(run, disk);
  const found = await findCheckpoint(options, disk);
  const current = await identify(options);
  if (found) refuseChanges(run, found.state.identity, current, allowedChanges);
  else warn(`${run} holds no checkpoint that verifies: starting from the first update`);
  if (named) await supersede(disk, run, named);
  const { metricsBytes = 0, tracesBytes = 0, progress } = found?.state ?? {};
  // A line that waits for its evaluation was not written; without a checkpoint none was, not even that of update 0.
  const lastLine = (progress?.update ?? -1) - (progress?.unevaluated ? 1 : 0);
  const resume = { metricsBytes, tracesBytes, lastLine };
  const { tensorboard } = config;
  const folder = await openRunFolder({ path: run, disk, config, resume, warn, tensorboard }, lock);
  const retention = createRetention(run, disk);
  const opened = { folder, retention, warn, close: folder.close };
  if (!found) return { ...opened, modelFolder: config.model, identity: current };
  retention.remember(found.update);
  const { model, tokenizer } = found.state.identity;
  const identity = { ...current, model: current.model || model, tokenizer: current.tokenizer || tokenizer };
  const resumed = { checkpoint: found.folder, state: found.state };
  // What the base's files are was compared above; where they lie is the config's to say.
  const names = await onDisk(found.folder, () => disk.list(found.folder));
  const isAdapter = names.includes('adapter_config.json');
  const from = isAdapter ? { modelFolder: config.model, adapterFolder: found.folder } : { modelFolder: found.folder };
  return { ...opened, ...from, identity, resumed };
}

async function resumeRun(options: OpenRunOptions, disk: Disk): Promise<Run> {
  const { run } = splitPath(options.path);
  await refuseForeign(disk, options.path);
  const lock = await lockRunFolder(run, disk);
  try {
    return await resumeLocked(options, disk, lock);
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw error;
  }
}

/**
 * Opens the folder of a run and locks it.
 * @throws RunFolderError when it is in use, cannot be written, or (resuming) a field changed that may not.
 * @throws CheckpointCorruptError when a checkpoint named by the caller does not verify.
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  const { disk = realDisk, path, config, warn = () => {} } = options;
  if (options.resume) return resumeRun(options, disk);
  const identity = await identify(options);
  const lock = await lockRunFolder(path, disk);
  const folder = await openRunFolder({ path, disk, config, tensorboard: config.tensorboard }, lock);
  const retention = createRetention(path, disk);
  return { folder, retention, warn, modelFolder: config.model, identity, close: folder.close };
}

// Differences from the stored run that a resumed run may have.

// Where the weights lie is told by their fingerprint; the rest changes what is kept, not what is computed.
const freeFields = new Set([
  'model',
  'diversity.embedder.model',
  'recipe',
  'traces',
  'tensorboard',
  'checkpoint.every',
  'checkpoint.keep',
  'logEvery',
  'logCompletions',
  'name',
  'passes',
  'checkpoint.asynchronous',
]);

/** Dotted paths of all leaves; lists count as leaves. */
function flatten(value: unknown, prefix = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[prefix, canonicalJson(value)]];
  return Object.entries(value).flatMap(([key, child]) => flatten(child, prefix === '' ? key : `${prefix}.${key}`));
}

export interface Change {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** Config fields that differ, but for those that may. */
function changedFields(before: RunIdentity['config'], after: RunIdentity['config']): Change[] {
  const old = new Map(flatten(before));
  const current = new Map(flatten(after));
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter((field) => !freeFields.has(field) && old.get(field) !== current.get(field))
    .map((field) => ({ field, before: old.get(field) ?? 'absent', after: current.get(field) ?? 'absent' }));
}

function changesOf(before: RunIdentity, after: RunIdentity): Change[] {
  const hashes = (['model', 'tokenizer', 'tasks'] as const)
    // The model that the run began with is not needed any more: the checkpoint holds the weights.
    .filter((field) => after[field] !== '' && before[field] !== after[field])
    .map((field) => ({ field, before: before[field].slice(0, 12), after: after[field].slice(0, 12) }));
  return [...changedFields(before.config, after.config), ...hashes];
}

/** @throws RunFolderError naming every changed field that is not in `allowed`. */
export function refuseChanges(run: string, before: RunIdentity, after: RunIdentity, allowed: readonly string[]): void {
  const refused = changesOf(before, after).filter(({ field }) => !allowed.includes(field));
  if (refused.length === 0) return;
  const list = refused.map(({ field, before: old, after: now }) => `${field} (${old} -> ${now})`).join(', ');
  const fix = `go on as it was, or allow it: ${refused.map(({ field }) => `--allow-change ${field}`).join(' ')}`;
  throw new RunFolderError(`${run}: changed since the checkpoint: ${list}; ${fix}`, { run, changes: refused });
}

// Checkpoints of other programs are refused: reading a pickle can run code.

const pickle = /\.(bin|pt|pth|pkl|pickle|ckpt)$/;

/** What a run folder or a checkpoint of ours has, and another program's checkpoint has not. */
const ours = (name: string): boolean => name === manifestName || name === 'metrics.jsonl';

/** @throws RunFolderError with advice when `path` is a file, or holds what another program saved to go on from. */
export async function refuseForeign(disk: Disk, path: string): Promise<void> {
  if ((await onDisk(path, () => disk.size(path))) !== undefined) {
    const kind = pickle.test(path) ? 'a pickle, which is never read: it may run code' : 'a file';
    throw runFolderError(path, `is ${kind}`, 'name a run folder, or one of its checkpoint folders');
  }
  const names = await onDisk(path, () => disk.list(path));
  const found = names.find((name) => pickle.test(name));
  if (found === undefined || names.some(ours)) return;
  const problem = `is another program's checkpoint: ${found} is a pickle, which is never read: it may run code`;
  const safe = 'save the model as safetensors (transformers: save_pretrained(folder, safe_serialization=True))';
  throw runFolderError(join(path, found), problem, `${safe} and begin a new run with --model folder`);
}
