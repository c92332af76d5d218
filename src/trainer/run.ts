/** Begins a run in a new folder, or goes on with one from its latest (or a named) checkpoint. */
import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Policy } from '../policy/policy.js';
import type { TaskFamily } from '../task/task.js';
import {
  type FoundCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  pruneCheckpoints,
  verifyCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import { writeDurably } from './durable.js';
import { fingerprintModel, hashValue } from './fingerprint.js';
import { refuseChanges } from './resume.js';
import { lockRunFolder, openRunFolder, type RunFolder } from './run-folder.js';
import type { TrainSettings } from './settings.js';
import { type RunIdentity, type RunState, readState, serialiseState, stateName } from './state.js';

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
}

/** An open, locked run folder. Close it when training is over. */
export interface Run {
  readonly folder: RunFolder;
  /** Load the policy from here: the config's model, or the checkpoint to go on from. */
  readonly modelFolder: string;
  readonly identity: RunIdentity;
  readonly resumed?: { readonly checkpoint: string; readonly state: RunState };
  close(): Promise<void>;
}

async function identify({ config, family }: OpenRunOptions): Promise<RunIdentity> {
  const model = (await fingerprintModel(config.model)) ?? '';
  return { config: { ...config }, model, tasks: hashValue(family.tasks('train')) };
}

/** Splits `RUN/checkpoint-N` into run and checkpoint; any other path is a run. */
function splitPath(path: string): { run: string; named?: FoundCheckpoint } {
  const update = /^checkpoint-(\d+)$/.exec(basename(path))?.[1];
  return update === undefined ? { run: path } : { run: dirname(path), named: { folder: path, update: Number(update) } };
}

/** A named checkpoint is taken or refused, never replaced; later ones belong to a future that will not happen. */
async function takeNamed(run: string, named: FoundCheckpoint): Promise<FoundCheckpoint> {
  await verifyCheckpoint(named.folder);
  for (const later of await listCheckpoints(run)) {
    if (later.update > named.update) await rename(later.folder, `${later.folder}.superseded-${process.pid}`);
  }
  return named;
}

async function resumeRun(options: OpenRunOptions): Promise<Run> {
  const { warn = () => {}, allowedChanges = [], config } = options;
  const { run, named } = splitPath(options.path);
  const lock = await lockRunFolder(run);
  try {
    const found = named ? await takeNamed(run, named) : await latestCheckpoint(run, warn);
    const state = found && (await readState(found.folder));
    const current = await identify(options);
    if (state) refuseChanges(run, state.identity, current, allowedChanges);
    else warn(`${run} holds no checkpoint that verifies: starting from the first update`);
    const sizes = { metricsBytes: state?.metricsBytes ?? 0, tracesBytes: state?.tracesBytes ?? 0 };
    const folder = await openRunFolder({ path: run, config, resume: sizes }, lock);
    const identity = { ...current, model: current.model || (state?.identity.model ?? '') };
    if (!found || !state) return { folder, modelFolder: config.model, identity, close: folder.close };
    const resumed = { checkpoint: found.folder, state };
    return { folder, modelFolder: found.folder, identity, resumed, close: folder.close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Opens the folder of a run and locks it.
 * @throws RunFolderError when it is in use, cannot be written, or (resuming) a field changed that may not.
 * @throws CheckpointCorruptError when a checkpoint named by the caller does not verify.
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  if (options.resume) return resumeRun(options);
  const identity = await identify(options);
  const lock = await lockRunFolder(options.path);
  const folder = await openRunFolder({ path: options.path, config: options.config }, lock);
  return { folder, modelFolder: options.config.model, identity, close: folder.close };
}

/** Saves the run's state as `checkpoint-N` and deletes what is older than the newest `keep`. Returns its folder. */
export async function saveRun(
  run: Run,
  policy: Policy,
  state: Pick<RunState, 'progress' | 'curriculum'>,
  keep: number,
): Promise<string> {
  const { folder, identity } = run;
  await folder.metrics.flush();
  await folder.traces.flush();
  const sizes = { metricsBytes: folder.metrics.size, tracesBytes: folder.traces.size };
  const saved = await writeCheckpoint({
    run: folder.path,
    update: state.progress.update,
    configHash: hashValue(identity.config),
    modelFingerprint: identity.model,
    async write(to) {
      await (await policy.snapshot()).write(to);
      await writeDurably(join(to, stateName), serialiseState({ ...state, identity, ...sizes }));
    },
  });
  await pruneCheckpoints(folder.path, keep);
  return saved;
}
