/** The checkpoints of a run folder: its folders `checkpoint-N`. */
import { basename, dirname, join } from 'node:path';
import { type Disk, onDisk, realDisk } from './disk.js';

/** A checkpoint of a run folder: the path `RUN/checkpoint-N` and its update N. */
export interface FoundCheckpoint {
  readonly folder: string;
  readonly update: number;
}

/** The number in the name `checkpoint-N`; undefined for any other name. */
export function checkpointUpdate(name: string): number | undefined {
  const update = /^checkpoint-(\d+)$/.exec(name)?.[1];
  return update === undefined ? undefined : Number(update);
}

/** Splits `RUN/checkpoint-N` into run and checkpoint; any other path is a run. */
export function splitRunPath(path: string): { readonly run: string; readonly named?: FoundCheckpoint } {
  const update = checkpointUpdate(basename(path));
  return update === undefined ? { run: path } : { run: dirname(path), named: { folder: path, update } };
}

/**
 * Lists the finished checkpoints of a run folder, newest first, without verifying them.
 * @throws RunFolderError when the folder cannot be read.
 *
 * @example
 * import { listCheckpoints } from 'exit-rl/checkpoints';
 *
 * for (const { update, folder } of await listCheckpoints('runs/first')) console.log(update, folder);
 */
export async function listCheckpoints(run: string, disk: Disk = realDisk): Promise<FoundCheckpoint[]> {
  const names = await onDisk(run, () => disk.list(run));
  return names
    .flatMap((name) => {
      const update = checkpointUpdate(name);
      return update === undefined ? [] : [{ folder: join(run, name), update }];
    })
    .sort((left, right) => right.update - left.update);
}
