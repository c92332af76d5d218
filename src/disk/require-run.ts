/** Requires that a path names a run, and says what it names instead and what to do with that. */
import { join } from 'node:path';
import { CheckpointCorruptError, type RunFolderError } from '../errors.js';
import { listCheckpoints, splitRunPath } from './checkpoint-folders.js';
import { type Disk, realDisk, runFolderError } from './disk.js';
import { type FolderKind, folderKind } from './folder-kind.js';
import { foreignFolder, isPickle } from './foreign.js';
import { readManifest } from './manifest.js';

const nameRun = 'name a run folder, or one of its checkpoint folders';
const beginWith = (path: string): string => `begin a new run with --model ${path}`;

/** Says what is wrong with a path that names no run, and the fix. */
function wrongKind(path: string, kind: Exclude<FolderKind, 'run'>): readonly [problem: string, fix: string] {
  switch (kind) {
    case 'missing':
      return ['holds no run to resume: there is no such folder', `${nameRun}, or begin a new run`];
    case 'file':
      return [`is ${isPickle(path) ? 'a pickle, which is never read: it may run code' : 'a file'}`, nameRun];
    case 'empty':
      return ['holds no run to resume: the folder is empty', `${nameRun}, or begin a new run with --out ${path}`];
    case 'checkpoint':
      return [
        'is a checkpoint without its run folder, whose config.json is missing',
        `name it within its run folder, RUN/checkpoint-N, or ${beginWith(path)}`,
      ];
    case 'comparison':
      return ['holds several runs', 'name one of its folders'];
    case 'model':
      return ['holds no run to resume: it is a model folder', beginWith(path)];
    case 'adapter':
      return ['holds no run to resume: it is an adapter folder', beginWith(path)];
    case 'other':
      return ['holds no run to resume', `${nameRun}, or begin a new run`];
    default:
      return kind satisfies never;
  }
}

async function missingCheckpoint(disk: Disk, path: string, run: string): Promise<RunFolderError> {
  const names = (await listCheckpoints(run, disk)).map(({ update }) => `checkpoint-${update}`);
  const fix = names.length === 0 ? `name the run folder ${run}` : `${run} holds ${names.join(', ')}`;
  return runFolderError(path, 'holds no run to resume: there is no such checkpoint', fix);
}

/** Whether `run` is a run folder with its config, so that its checkpoints can be resumed from. */
async function isWholeRun(disk: Disk, run: string): Promise<boolean> {
  return (await folderKind(run, disk)) === 'run' && disk.exists(join(run, 'config.json'));
}

async function explain(disk: Disk, path: string): Promise<RunFolderError | undefined> {
  const { run, named } = splitRunPath(path);
  const kind = await folderKind(path, disk);
  if (kind === 'run') return undefined;
  if (named !== undefined && (await isWholeRun(disk, run))) {
    if (kind === 'missing') return missingCheckpoint(disk, path, run);
    // What is wrong with a checkpoint of a run, its manifest says.
    if (kind !== 'file') return undefined;
  }
  const isFolder = kind === 'model' || kind === 'adapter' || kind === 'other';
  const foreign = isFolder ? await foreignFolder(disk, path) : undefined;
  return foreign ?? runFolderError(path, ...wrongKind(path, kind));
}

/** @throws RunFolderError when another version's format is in the newest checkpoint; a damaged one is found later. */
async function refuseOtherFormat(disk: Disk, path: string): Promise<void> {
  const { run, named } = splitRunPath(path);
  const checkpoint = named ?? (await listCheckpoints(run, disk))[0];
  if (checkpoint === undefined) return;
  await readManifest(disk, checkpoint.folder).catch((error: unknown) => {
    if (!CheckpointCorruptError.isInstance(error)) throw error;
  });
}

/** The kinds of a folder in which a run begins again: a crash may leave nothing of it, or a part of its first files. */
const beginnings: readonly FolderKind[] = ['missing', 'empty', 'other'];

/** Like `requireRun`, but lets a run begin where there is none, as after a crash during its start. */
export async function refuseOther(path: string, disk: Disk = realDisk): Promise<void> {
  const kind = await folderKind(path, disk);
  const problem = beginnings.includes(kind) ? await foreignFolder(disk, path) : await explain(disk, path);
  if (problem !== undefined) throw problem;
  await refuseOtherFormat(disk, path);
}

/**
 * Checks that `path` names a run folder or one of its checkpoints, in a format that this version reads.
 * @throws RunFolderError that says what the path names instead: nothing, a file, a model, or another program's checkpoint.
 */
export async function requireRun(path: string, disk: Disk = realDisk): Promise<void> {
  const problem = await explain(disk, path);
  if (problem !== undefined) throw problem;
  await refuseOtherFormat(disk, path);
}
