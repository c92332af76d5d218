/** Opens the folder of a new run, or resumes one from its latest or a named checkpoint. */
import { anyRecord, callback, type Fields, flag, listOf, required, requireFields, text } from '../arguments.js';
import { schemaRows } from '../config/rows.js';
import { type FoundCheckpoint, listCheckpoints, splitRunPath } from '../disk/checkpoint-folders.js';
import { type Disk, onDisk, realDisk } from '../disk/disk.js';
import { readManifest, verifyCheckpoint } from '../disk/manifest.js';
import { findModel } from '../disk/model-source.js';
import { refuseOther } from '../disk/require-run.js';
import { HubError, InvalidRequestError, RunFolderError } from '../errors.js';
import { completeConfig } from '../method/part-kinds.js';
import type { TrainSettings } from '../method/train-settings.js';
import { nearest } from '../nearest.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { createRetention, latestCheckpoint, type Retention, restoreReplaced } from './checkpoint.js';
import { changedCode, codeParts, identifyCode, type NamedCode } from './code-identity.js';
import {
  canonicalJson,
  changedVersions,
  currentVersions,
  fingerprintEmbedder,
  fingerprintModel,
  hashList,
} from './identity.js';
import type { Lock } from './lock.js';
import { lockRunFolder, openRunFolder, type RunFolder } from './run-folder.js';
import { type RunIdentity, type RunState, readState } from './state.js';

/** The config and tasks of a run, its folder, and the changes that a resumed run may make. */
export interface OpenRunOptions {
  readonly config: TrainSettings & { readonly model: string } & NamedCode;
  readonly family: TaskFamily;
  /** The run folder; when resuming, a run folder or one of its checkpoint folders. */
  readonly path: string;
  readonly resume?: boolean;
  /**
   * Config fields, `model`, `tokenizer` or `tasks` that may differ from the resumed run; `rewards`, `verifier` and `task` allow
   * changes of their code as well.
   */
  readonly allowedChanges?: readonly string[];
  /** Receives warnings about repairs, for example of a damaged checkpoint that was set aside. */
  readonly warn?: (message: string) => void;
  /** Disk of the run folder; by default the file system of this machine. */
  readonly disk?: Disk;
}

const openFields: Fields<OpenRunOptions> = {
  config: required(completeConfig),
  family: required(anyRecord),
  path: required(text),
  resume: flag,
  allowedChanges: listOf(text),
  warn: callback,
  disk: anyRecord,
};

/** An open, locked run folder. Close it after training. */
export interface Run {
  readonly folder: RunFolder;
  readonly retention: Retention;
  /** The folder to load the policy from: the config's model, or the resumed checkpoint. */
  readonly modelFolder: string;
  /** The adapter of the resumed checkpoint, to load on top of `modelFolder`; absent when it holds a whole model. */
  readonly adapterFolder?: string;
  readonly identity: RunIdentity;
  readonly resumed?: { readonly checkpoint: string; readonly state: RunState };
  readonly warn: (message: string) => void;
  close(): Promise<void>;
}

/** A model that is not on this machine has no fingerprint; the error of loading it says more. */
const absentModel =
  (folder: string) =>
  (error: unknown): { readonly folder: string } => {
    if (HubError.isInstance(error)) return { folder };
    throw error;
  };

async function identify({ config, family }: OpenRunOptions): Promise<RunIdentity> {
  const { folder } = await findModel(config.model).catch(absentModel(config.model));
  const { model = '', tokenizer = '' } = (await fingerprintModel(folder)) ?? {};
  const { embedder } = config.diversity;
  const vectors = typeof embedder === 'object' && { embedder: await fingerprintEmbedder(embedder.model) };
  // Sorts the keys, so that a resumed run writes the same bytes whatever the source of its config.
  const sorted = JSON.parse(canonicalJson({ ...config, ...vectors })) as Record<string, unknown>;
  const code = await identifyCode(config);
  return { config: sorted, model, tokenizer, tasks: hashList(family.tasks('train')), code };
}

/** Renames the checkpoints after the named one, which the resumed run replaces. */
async function supersede(disk: Disk, run: string, named: FoundCheckpoint): Promise<void> {
  const later = (await listCheckpoints(run, disk)).filter(({ update }) => update > named.update);
  for (const { folder } of later) {
    await onDisk(folder, () => disk.rename(folder, `${folder}.superseded-${process.pid}`));
  }
  if (later.length > 0) await onDisk(run, () => disk.flush(run));
}

interface LoadedCheckpoint extends FoundCheckpoint {
  readonly state: RunState;
}

/** Finds the checkpoint to resume from. A named one that does not verify is an error; no other takes its place. */
async function findCheckpoint(options: OpenRunOptions, disk: Disk): Promise<LoadedCheckpoint | undefined> {
  const { warn = () => {} } = options;
  const { run, named } = splitRunPath(options.path);
  if (named) await verifyCheckpoint(named.folder, disk);
  const found = named ?? (await latestCheckpoint(run, warn, disk));
  if (found === undefined) return undefined;
  const { versions } = await readManifest(disk, found.folder);
  const changed = changedVersions(versions, currentVersions());
  if (changed) warn(`${found.folder} was written by other versions (${changed}): the numbers may differ from here on`);
  return { ...found, state: await readState(found.folder, disk) };
}

async function resumeLocked(options: OpenRunOptions, disk: Disk, lock: Lock): Promise<Run> {
  const { warn = () => {}, allowedChanges = [], config } = options;
  const { run, named } = splitRunPath(options.path);
  await restoreReplaced(run, disk);
  const found = await findCheckpoint(options, disk);
  const current = await identify(options);
  if (found) refuseChanges(run, found.state.identity, current, allowedChanges);
  else warn(`${run} holds no checkpoint that verifies: starting from the first update`);
  if (named) await supersede(disk, run, named);
  const { metricsBytes = 0, tracesBytes = 0, progress } = found?.state ?? {};
  // A line that waits for its evaluation is not written yet; without a checkpoint no line is, not even that of update 0.
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
  // refuseChanges has compared the base model's files; the config names their folder.
  const names = await onDisk(found.folder, () => disk.list(found.folder));
  const isAdapter = names.includes('adapter_config.json');
  const from = isAdapter ? { modelFolder: config.model, adapterFolder: found.folder } : { modelFolder: found.folder };
  return { ...opened, ...from, identity, resumed };
}

async function resumeRun(options: OpenRunOptions, disk: Disk): Promise<Run> {
  const { run } = splitRunPath(options.path);
  await refuseOther(options.path, disk);
  const lock = await lockRunFolder(run, disk);
  try {
    return await resumeLocked(options, disk, lock);
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw error;
  }
}

/**
 * Opens the folder of a new run and locks it; with `resume`, opens that of an earlier run at its latest or named checkpoint.
 * Pass the result to `train` as `run`, and close it afterwards.
 * @throws RunFolderError when the folder is in use, cannot be written, holds another run or, with `resume`, a config field
 * differs without being allowed to; CheckpointCorruptError when a named checkpoint does not verify;
 * InvalidRequestError for an option that is missing, unknown or wrong.
 *
 * @example
 * import { codeBreaker, openRun, parseConfig, shippedModel } from 'exit-rl';
 *
 * const config = parseConfig({ task: 'code-breaker', model: shippedModel('tiny') });
 * const run = await openRun({ config, family: codeBreaker(), path: 'runs/first' });
 * console.log(run.modelFolder);
 * await run.close();
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  requireFields<OpenRunOptions>('openRun', options, openFields);
  requireFamily(options.family);
  requireKnownChanges('openRun', options.allowedChanges);
  const { disk = realDisk, path, config, warn = () => {} } = options;
  if (options.resume) return resumeRun(options, disk);
  const identity = await identify(options);
  const lock = await lockRunFolder(path, disk);
  const folder = await openRunFolder({ path, disk, config, tensorboard: config.tensorboard }, lock);
  const retention = createRetention(path, disk);
  return { folder, retention, warn, modelFolder: config.model, identity, close: folder.close };
}

// Changes that a resumed run may make.

// Fingerprints identify the weights, whatever their folder; the other fields change the records, but not the results.
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

/** Lists all leaves by their dotted paths; a list counts as a leaf. */
function flatten(value: unknown, prefix = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[prefix, canonicalJson(value)]];
  return Object.entries(value).flatMap(([key, child]) => flatten(child, prefix === '' ? key : `${prefix}.${key}`));
}

export interface Change {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** Hashes that a resumed run compares beside the config. */
const hashed = ['model', 'tokenizer', 'tasks'] as const;

/** Whether `field` names a setting, or a key of a section whose keys are free, such as `chat.variables`. */
function isField(field: string, known: readonly string[]): boolean {
  if (known.includes(field)) return true;
  const parents = known.filter((path) => field.startsWith(`${path}.`));
  const deepest = parents.sort((a, b) => b.length - a.length)[0];
  return deepest !== undefined && !known.some((path) => path.startsWith(`${deepest}.`));
}

/** @throws InvalidRequestError for a field that no config has: allowing it would change nothing. */
export function requireKnownChanges(subject: string, allowed: readonly string[] = []): void {
  if (allowed.length === 0) return;
  const known = [...schemaRows().rows.map(({ path }) => path), ...hashed, ...codeParts];
  const at = allowed.findIndex((field) => !isField(field, known));
  if (at < 0) return;
  const [field, key] = [allowed[at] as string, `allowedChanges[${at}]`];
  const near = nearest(field, known);
  const reason = `there is no config field '${field}'${near === undefined ? '' : `; did you mean '${near}'?`}`;
  throw new InvalidRequestError('INVALID_REQUEST', `${subject}: \`${key}\`: ${reason}`, { key, reason });
}

/** Lists the config fields that differ, except those that may always differ. */
function changedFields(before: RunIdentity['config'], after: RunIdentity['config']): Change[] {
  const old = new Map(flatten(before));
  const current = new Map(flatten(after));
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter((field) => !freeFields.has(field) && old.get(field) !== current.get(field))
    .map((field) => ({ field, before: old.get(field) ?? 'absent', after: current.get(field) ?? 'absent' }));
}

function listChanges(before: RunIdentity, after: RunIdentity): Change[] {
  const hashes = hashed
    // An absent initial model is not a change: the checkpoint holds the weights.
    .filter((field) => after[field] !== '' && before[field] !== after[field])
    .map((field) => ({ field, before: before[field].slice(0, 12), after: after[field].slice(0, 12) }));
  return [...changedFields(before.config, after.config), ...hashes, ...changedCode(before.code, after.code)];
}

/** @throws RunFolderError naming every changed field that is not in `allowed`. */
export function refuseChanges(run: string, before: RunIdentity, after: RunIdentity, allowed: readonly string[]): void {
  const refused = listChanges(before, after).filter(({ field }) => !allowed.includes(field));
  if (refused.length === 0) return;
  const list = refused.map(({ field, before: old, after: now }) => `${field} (${old} -> ${now})`).join(', ');
  const fields = [...new Set(refused.map(({ field }) => field))];
  const fix = `resume with the earlier values, or allow the change: ${fields.map((field) => `--allow-change ${field}`).join(' ')}`;
  throw new RunFolderError(`${run}: changed since the checkpoint: ${list}; ${fix}`, { run, changes: refused });
}
