/** Which checkpoints stay: the newest that are known to be whole, and those that are protected. */
import { CheckpointCorruptError } from '../errors.js';
import { type FoundCheckpoint, isWhole, listCheckpoints } from './checkpoint.js';
import type { Disk } from './disk.js';
import { onDisk } from './disk-errors.js';
import { checkSizes } from './manifest.js';

export interface Retention {
  /** This process wrote or verified `checkpoint-N`: it need not be read again. */
  remember(update: number): void;
  /** Deletes what is older than the newest `keep` whole ones (never fewer than two), but for the protected. */
  prune(keep: number, protectedUpdates: readonly number[]): Promise<void>;
}

export function createRetention(run: string, disk: Disk): Retention {
  const verified = new Set<number>();
  return {
    remember: (update) => void verified.add(update),
    async prune(keep, protectedUpdates) {
      let whole = 0;
      for (const found of await listCheckpoints(run, disk)) {
        const surplus = whole >= Math.max(2, keep);
        if (surplus && !protectedUpdates.includes(found.update)) await discard(disk, found);
        else if (!surplus && (await isKnownWhole(disk, found, verified))) whole += 1;
      }
    },
  };
}

/** Hashes what this process has not seen, once; of the rest it looks at manifest and sizes only. */
async function isKnownWhole(disk: Disk, { folder, update }: FoundCheckpoint, verified: Set<number>): Promise<boolean> {
  if (!verified.has(update)) {
    const whole = await isWhole(folder, disk);
    if (whole) verified.add(update);
    return whole;
  }
  try {
    await checkSizes(disk, folder);
    return true;
  } catch (error) {
    if (CheckpointCorruptError.isInstance(error)) return false;
    throw error;
  }
}

/** Renamed first: a crash in the middle leaves no folder that looks like a damaged checkpoint. */
async function discard(disk: Disk, { folder }: FoundCheckpoint): Promise<void> {
  const away = `${folder}.deleted-${process.pid}`;
  await onDisk(folder, () => disk.rename(folder, away));
  await onDisk(away, () => disk.remove(away));
}
