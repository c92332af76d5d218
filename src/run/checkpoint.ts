/**
 * Writes checkpoints that survive a crash at any point: into a temporary folder, flushing every file, the manifest with
 * sizes and hashes last, then renamed. The latest checkpoint is the one of the highest update whose manifest verifies.
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type FoundCheckpoint, listCheckpoints } from '../disk/checkpoint-folders.js';
import { type Disk, onDisk, realDisk, writeDurably } from '../disk/disk.js';
import {
  checkSizes,
  formatVersion,
  manifestName,
  manifestText,
  type Versions,
  verifyCheckpoint,
} from '../disk/manifest.js';
import { CheckpointCorruptError } from '../errors.js';
import type { WrittenFile } from '../policy/policy.js';
import { readState } from './state.js';

export interface CheckpointRequest {
  readonly disk: Disk;
  readonly run: string;
  readonly update: number;
  readonly configHash: string;
  readonly modelFingerprint: string;
  readonly versions: Versions;
  /** Writes the engine's files into the given empty folder and flushes them. */
  write(folder: string): Promise<readonly WrittenFile[]>;
  /** Contents of small files to write beside them, by name. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Renames a damaged checkpoint, which keeps it for inspection. */
async function setAside(folder: string, disk: Disk = realDisk): Promise<string> {
  for (let copy = 1; ; copy++) {
    const aside = copy === 1 ? `${folder}.corrupt` : `${folder}.corrupt-${copy}`;
    if (await onDisk(aside, () => disk.exists(aside))) continue;
    await onDisk(folder, () => disk.rename(folder, aside));
    return aside;
  }
}

/** Whether the checkpoint verifies; false when it is damaged. @throws RunFolderError when the disk cannot read it. */
export async function isWhole(folder: string, disk: Disk): Promise<boolean> {
  return verifyCheckpoint(folder, disk).then(
    () => true,
    (error: unknown) => {
      if (CheckpointCorruptError.isInstance(error)) return false;
      throw error;
    },
  );
}

/** Compares the request with the existing `checkpoint-N`: none, the same (a resumed run saves at once), or another. */
async function compareExisting({ disk, texts }: CheckpointRequest, folder: string): Promise<'none' | 'same' | 'other'> {
  if (!(await onDisk(folder, () => disk.exists(folder)))) return 'none';
  if (!(await isWhole(folder, disk))) {
    await setAside(folder, disk);
    return 'none';
  }
  const same = Object.entries(texts).map(async ([name, text]) => {
    return Buffer.from(await disk.read(join(folder, name))).toString('utf8') === text;
  });
  return (await onDisk(folder, () => Promise.all(same))).every(Boolean) ? 'same' : 'other';
}

/** Writes `checkpoint-N` and returns its folder. @throws RunFolderError when the disk refuses a write. */
export async function writeCheckpoint(request: CheckpointRequest): Promise<string> {
  const folder = join(request.run, `checkpoint-${request.update}`);
  const existing = await compareExisting(request, folder);
  if (existing === 'same') return folder;
  return onDisk(folder, () => writeAndRename(request, folder, existing === 'other'));
}

async function writeAndRename(request: CheckpointRequest, folder: string, replaces: boolean): Promise<string> {
  const { disk, run } = request;
  const temporary = `${folder}.tmp-${process.pid}`;
  try {
    await disk.remove(temporary);
    await disk.makeFolder(temporary);
    await writeFiles(request, temporary);
    const earlier = `${folder}.replaced-${process.pid}`;
    if (replaces) {
      await disk.rename(folder, earlier);
      await disk.flush(run);
    }
    await disk.rename(temporary, folder);
    await disk.flush(run);
    if (replaces) await disk.remove(earlier);
    return folder;
  } catch (error) {
    // A partial checkpoint would keep a full disk full.
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Writes every file, then the manifest, then flushes the folders: an entry appears only after its content is durable. */
async function writeFiles(request: CheckpointRequest, folder: string): Promise<void> {
  const { disk, write, texts, update, configHash, modelFingerprint, versions } = request;
  const written = [...(await write(folder))];
  await disk.adopt(folder, written);
  for (const [name, text] of Object.entries(texts)) {
    await writeDurably(disk, join(folder, name), text);
    written.push({ name, size: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') });
  }
  written.sort((left, right) => (left.name < right.name ? -1 : 1));
  const files = Object.fromEntries(written.map(({ name, size, sha256 }) => [name, { size, sha256 }]));
  const manifest = { format: formatVersion, update, configHash, modelFingerprint, versions, files };
  await writeDurably(disk, join(folder, manifestName), manifestText(manifest));
  const nested = new Set(written.map(({ name }) => dirname(name)).filter((name) => name !== '.'));
  for (const child of nested) await disk.flush(join(folder, child));
  await disk.flush(folder);
}

/**
 * Finds the newest checkpoint that verifies; undefined when there is none. It renames each damaged one and reports it to
 * `warn`.
 * @throws RunFolderError when the folder cannot be read.
 *
 * @example
 * import { latestCheckpoint } from 'exit-rl/checkpoints';
 *
 * const latest = await latestCheckpoint('runs/first', console.warn);
 * console.log(latest?.folder ?? 'no checkpoint yet');
 */
export async function latestCheckpoint(
  run: string,
  warn: (message: string) => void,
  disk: Disk = realDisk,
): Promise<FoundCheckpoint | undefined> {
  for (const checkpoint of await listCheckpoints(run, disk)) {
    try {
      await verifyCheckpoint(checkpoint.folder, disk);
      return checkpoint;
    } catch (error) {
      if (!CheckpointCorruptError.isInstance(error)) throw error;
      const aside = await setAside(checkpoint.folder, disk);
      warn(`${error.message}; set aside as ${aside}, falling back to the previous checkpoint`);
    }
  }
  return undefined;
}

/** Restores a checkpoint that a crash left half replaced. The caller holds the run folder's lock. */
export async function restoreReplaced(run: string, disk: Disk): Promise<void> {
  const names = await onDisk(run, () => disk.list(run));
  for (const name of names) {
    const original = /^(checkpoint-\d+)\.replaced-/.exec(name)?.[1];
    if (original === undefined) continue;
    const path = join(run, name);
    const finished = names.includes(original);
    await onDisk(path, () => (finished ? disk.remove(path) : disk.rename(path, join(run, original))));
  }
}

/** Removes checkpoints that a crash left half written or half deleted. The caller holds the run folder's lock. */
export async function removeUnfinished(run: string, disk: Disk = realDisk): Promise<void> {
  const names = await onDisk(run, () => disk.list(run));
  const unfinished = names.filter((name) => /^checkpoint-\d+\.(tmp|deleted)-/.test(name));
  for (const name of unfinished) await onDisk(join(run, name), () => disk.remove(join(run, name)));
}

// Retention keeps the newest verified checkpoints and the protected ones.

export interface Retention {
  /** Records that this process wrote or verified `checkpoint-N`, which need not be hashed again. */
  remember(update: number): void;
  /** Deletes the checkpoints older than the newest `keep` whole ones (at least two), except the protected. */
  prune(keep: number, protectedUpdates: readonly number[]): Promise<void>;
}

export function createRetention(run: string, disk: Disk): Retention {
  const verified = new Set<number>();
  return {
    remember: (update) => void verified.add(update),
    async prune(keep, protectedUpdates) {
      let whole = 0;
      for (const checkpoint of await listCheckpoints(run, disk)) {
        const surplus = whole >= Math.max(2, keep);
        if (surplus && !protectedUpdates.includes(checkpoint.update)) await discard(disk, checkpoint);
        else if (!surplus && (await isKnownWhole(disk, checkpoint, verified))) whole += 1;
      }
    },
  };
}

/** Hashes a checkpoint that this process has not verified; for the others it checks manifest and sizes only. */
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

/** Renames, then deletes: a crash in between leaves no folder that looks like a damaged checkpoint. */
async function discard(disk: Disk, { folder }: FoundCheckpoint): Promise<void> {
  const away = `${folder}.deleted-${process.pid}`;
  await onDisk(folder, () => disk.rename(folder, away));
  await onDisk(away, () => disk.remove(away));
}

/**
 * Finds the checkpoint of the best evaluation; undefined for a run without `best.metric`, and before its first evaluation.
 * @throws CheckpointCorruptError when it does not verify, RunFolderError when the folder cannot be read.
 *
 * @example
 * import { bestCheckpoint } from 'exit-rl/checkpoints';
 *
 * const best = await bestCheckpoint('runs/first');
 * console.log(best?.update ?? 'no evaluation yet');
 */
export async function bestCheckpoint(run: string): Promise<FoundCheckpoint | undefined> {
  const all = await listCheckpoints(run);
  const [newest] = all;
  if (newest === undefined) return undefined;
  const { best } = (await readState(newest.folder)).progress;
  const checkpoint = all.find(({ update }) => update === best?.update);
  if (checkpoint !== undefined) await verifyCheckpoint(checkpoint.folder);
  return checkpoint;
}
