/**
 * Checkpoints that survive a crash at any point: written to a temporary folder, every file flushed, the manifest with
 * sizes and hashes last, then renamed. The latest checkpoint is derived (highest number whose manifest verifies).
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { CheckpointCorruptError } from '../errors.js';
import type { WrittenFile } from '../policy/policy.js';
import { type Disk, onDisk, realDisk, writeDurably } from './disk.js';
import type { Versions } from './identity.js';
import { checkSizes, formatVersion, manifestName, manifestText, verifyCheckpoint } from './manifest.js';
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
  /** Small files beside them. */
  readonly texts: Readonly<Record<string, string>>;
}

export interface FoundCheckpoint {
  readonly folder: string;
  readonly update: number;
}

/** Moves a bad checkpoint out of the way, keeping it for inspection. */
async function setAside(folder: string, disk: Disk = realDisk): Promise<string> {
  for (let copy = 1; ; copy++) {
    const aside = copy === 1 ? `${folder}.corrupt` : `${folder}.corrupt-${copy}`;
    if (await onDisk(aside, () => disk.exists(aside))) continue;
    await onDisk(folder, () => disk.rename(folder, aside));
    return aside;
  }
}

/** True when it verifies, false when it is damaged; a checkpoint that cannot be read is neither. */
export async function isWhole(folder: string, disk: Disk): Promise<boolean> {
  return verifyCheckpoint(folder, disk).then(
    () => true,
    (error: unknown) => {
      if (CheckpointCorruptError.isInstance(error)) return false;
      throw error;
    },
  );
}

/** What stands where `checkpoint-N` goes: nothing, the same (a resumed run saved again at once), or an earlier one. */
async function standsThere(
  { disk, texts }: CheckpointRequest,
  folder: string,
): Promise<'nothing' | 'same' | 'earlier'> {
  if (!(await onDisk(folder, () => disk.exists(folder)))) return 'nothing';
  if (!(await isWhole(folder, disk))) {
    await setAside(folder, disk);
    return 'nothing';
  }
  const same = Object.entries(texts).map(async ([name, text]) => {
    return Buffer.from(await disk.read(join(folder, name))).toString('utf8') === text;
  });
  return (await onDisk(folder, () => Promise.all(same))).every(Boolean) ? 'same' : 'earlier';
}

/** Writes `checkpoint-N` and returns its folder. @throws RunFolderError when the disk refuses. */
export async function writeCheckpoint(request: CheckpointRequest): Promise<string> {
  const folder = join(request.run, `checkpoint-${request.update}`);
  const there = await standsThere(request, folder);
  if (there === 'same') return folder;
  return onDisk(folder, () => writeAndRename(request, folder, there === 'earlier'));
}

async function writeAndRename(request: CheckpointRequest, folder: string, replaces: boolean): Promise<string> {
  const { disk, run } = request;
  const temporary = `${folder}.tmp-${process.pid}`;
  try {
    await disk.remove(temporary);
    await disk.makeFolder(temporary);
    await fill(request, temporary);
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
    // Half a checkpoint on a full disk would keep it full.
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Every file, then the manifest, then the folders' entries: nothing is named before it is on the disk. */
async function fill(request: CheckpointRequest, folder: string): Promise<void> {
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

/** Finished checkpoints of a run, newest first, verified or not. */
export async function listCheckpoints(run: string, disk: Disk = realDisk): Promise<FoundCheckpoint[]> {
  const names = await onDisk(run, () => disk.list(run));
  return names
    .flatMap((name) => {
      const update = /^checkpoint-(\d+)$/.exec(name)?.[1];
      return update === undefined ? [] : [{ folder: join(run, name), update: Number(update) }];
    })
    .sort((left, right) => right.update - left.update);
}

/** The newest checkpoint that verifies; bad ones on the way are set aside and reported to `warn`. */
export async function latestCheckpoint(
  run: string,
  warn: (message: string) => void,
  disk: Disk = realDisk,
): Promise<FoundCheckpoint | undefined> {
  for (const found of await listCheckpoints(run, disk)) {
    try {
      await verifyCheckpoint(found.folder, disk);
      return found;
    } catch (error) {
      if (!CheckpointCorruptError.isInstance(error)) throw error;
      const aside = await setAside(found.folder, disk);
      warn(`${error.message}; set aside as ${aside}, falling back to the checkpoint before it`);
    }
  }
  return undefined;
}

/** Puts back what was to be replaced by one that is not there. Only under the run folder's lock. */
export async function restoreReplaced(run: string, disk: Disk): Promise<void> {
  const names = await onDisk(run, () => disk.list(run));
  for (const name of names) {
    const wanted = /^(checkpoint-\d+)\.replaced-/.exec(name)?.[1];
    if (wanted === undefined) continue;
    const path = join(run, name);
    const finished = names.includes(wanted);
    await onDisk(path, () => (finished ? disk.remove(path) : disk.rename(path, join(run, wanted))));
  }
}

/** Removes what a crash left half-written or half-deleted. Only under the run folder's lock. */
export async function removeUnfinished(run: string, disk: Disk = realDisk): Promise<void> {
  const names = await onDisk(run, () => disk.list(run));
  const unfinished = names.filter((name) => /^checkpoint-\d+\.(tmp|deleted)-/.test(name));
  for (const name of unfinished) await onDisk(join(run, name), () => disk.remove(join(run, name)));
}

// Retention: the newest verified checkpoints stay, and protected ones.

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

/** Undefined for a run without `best.metric`, or without an evaluation yet. */
export async function bestCheckpoint(run: string): Promise<FoundCheckpoint | undefined> {
  const all = await listCheckpoints(run);
  const [newest] = all;
  if (newest === undefined) return undefined;
  const { best } = (await readState(newest.folder)).progress;
  const found = all.find(({ update }) => update === best?.update);
  if (found !== undefined) await verifyCheckpoint(found.folder);
  return found;
}
