/**
 * Checkpoints that survive a crash at any point: written to a temporary folder, every file flushed, the manifest with
 * sizes and hashes last, then renamed. The latest checkpoint is derived (highest number whose manifest verifies).
 */
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { CheckpointCorruptError } from '../errors.js';
import { flush, hashFile, listFiles, writeDurably, writing } from './durable.js';

const formatVersion = 1;
const manifestName = 'manifest.json';

export interface ManifestFile {
  readonly size: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: number;
  readonly update: number;
  readonly configHash: string;
  /** Hash of the model folder that the run started from. */
  readonly modelFingerprint: string;
  readonly files: Readonly<Record<string, ManifestFile>>;
}

export interface CheckpointRequest {
  readonly run: string;
  readonly update: number;
  readonly configHash: string;
  readonly modelFingerprint: string;
  /** Writes everything but the manifest into the given empty folder. */
  write(folder: string): Promise<void>;
}

export interface FoundCheckpoint {
  readonly folder: string;
  readonly update: number;
}

function corrupt(folder: string, reason: string): CheckpointCorruptError {
  const fix = 'resume from the run folder to fall back to the checkpoint before it';
  return new CheckpointCorruptError(`${folder}: ${reason}; ${fix}`, { folder, reason, fix });
}

async function describeFile(path: string): Promise<ManifestFile> {
  return { size: (await stat(path)).size, sha256: await hashFile(path) };
}

async function writeManifest(folder: string, request: CheckpointRequest): Promise<void> {
  const names = await listFiles(folder);
  const files: Record<string, ManifestFile> = {};
  for (const name of names) {
    await flush(join(folder, name));
    files[name] = await describeFile(join(folder, name));
  }
  const { update, configHash, modelFingerprint } = request;
  const manifest: Manifest = { format: formatVersion, update, configHash, modelFingerprint, files };
  await writeDurably(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const child of new Set(names.map((name) => dirname(name)))) await flush(join(folder, child));
  await flush(folder);
}

/** Moves a bad checkpoint out of the way, keeping it for inspection. */
export async function setAside(folder: string): Promise<string> {
  for (let copy = 1; ; copy++) {
    const aside = copy === 1 ? `${folder}.corrupt` : `${folder}.corrupt-${copy}`;
    const taken = await stat(aside).then(
      () => true,
      () => false,
    );
    if (taken) continue;
    await rename(folder, aside);
    return aside;
  }
}

/** Makes room for `checkpoint-N`: true when a good one is there already (a resumed run saved again at once). */
async function alreadyWritten(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return false;
  const good = await verifyCheckpoint(folder).then(
    () => true,
    () => false,
  );
  if (!good) await setAside(folder);
  return good;
}

/** Writes `checkpoint-N` and returns its folder. @throws RunFolderError when the disk refuses. */
export async function writeCheckpoint(request: CheckpointRequest): Promise<string> {
  const folder = join(request.run, `checkpoint-${request.update}`);
  if (await alreadyWritten(folder)) return folder;
  return writing(folder, () => writeAndRename(request, folder));
}

async function writeAndRename(request: CheckpointRequest, folder: string): Promise<string> {
  const temporary = `${folder}.tmp-${process.pid}`;
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await request.write(temporary);
    await writeManifest(temporary, request);
    await rename(temporary, folder);
    await flush(request.run);
    return folder;
  } catch (error) {
    // Half a checkpoint on a full disk would keep it full.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

function isManifest(value: unknown): value is Manifest {
  const manifest = value as Manifest | null;
  return (
    typeof manifest === 'object' && manifest !== null && typeof manifest.files === 'object' && manifest.files !== null
  );
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  const text = await readFile(path, 'utf8').catch(() => {
    throw corrupt(folder, `${manifestName} is missing`);
  });
  try {
    const manifest: unknown = JSON.parse(text);
    if (isManifest(manifest)) return manifest;
  } catch {
    // Reported below, as is valid JSON of another shape.
  }
  throw corrupt(folder, `${manifestName} is not a manifest`);
}

function isInside(name: string): boolean {
  return name !== '' && !isAbsolute(name) && !name.split('/').includes('..');
}

async function verifyFile(folder: string, name: string, expected: ManifestFile): Promise<void> {
  if (!isInside(name)) throw corrupt(folder, `the manifest names a file outside: ${name}`);
  const found = await stat(join(folder, name)).catch(() => undefined);
  if (!found?.isFile()) throw corrupt(folder, `${name} is missing`);
  if (found.size !== expected.size) {
    throw corrupt(folder, `${name} has ${found.size} bytes, the manifest says ${expected.size}`);
  }
  if ((await hashFile(join(folder, name))) !== expected.sha256) {
    throw corrupt(folder, `${name} differs from its hash in the manifest`);
  }
}

/** Reads every file back. @throws CheckpointCorruptError naming the first that is not as written. */
export async function verifyCheckpoint(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  if (manifest.format !== formatVersion) {
    throw corrupt(folder, `format ${manifest.format} is not ${formatVersion}`);
  }
  for (const [name, expected] of Object.entries(manifest.files)) await verifyFile(folder, name, expected);
  return manifest;
}

/** Finished checkpoints of a run, newest first, verified or not. */
export async function listCheckpoints(run: string): Promise<FoundCheckpoint[]> {
  const names = await readdir(run).catch(() => []);
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
): Promise<FoundCheckpoint | undefined> {
  for (const found of await listCheckpoints(run)) {
    try {
      await verifyCheckpoint(found.folder);
      return found;
    } catch (error) {
      if (!CheckpointCorruptError.isInstance(error)) throw error;
      const aside = await setAside(found.folder);
      warn(`${error.message}; set aside as ${aside}, falling back to the checkpoint before it`);
    }
  }
  return undefined;
}

/** Deletes old checkpoints once `keep` newer ones have verified (never fewer than two). */
export async function pruneCheckpoints(run: string, keep: number): Promise<void> {
  let verified = 0;
  for (const found of await listCheckpoints(run)) {
    if (verified >= Math.max(2, keep)) await rm(found.folder, { recursive: true, force: true });
    else if (
      await verifyCheckpoint(found.folder).then(
        () => true,
        () => false,
      )
    )
      verified++;
  }
}

/** Removes what a crash left half-written. Only under the run folder's lock. */
export async function removeUnfinished(run: string): Promise<void> {
  const names = await readdir(run).catch(() => []);
  const unfinished = names.filter((name) => /^checkpoint-\d+\.tmp-/.test(name));
  for (const name of unfinished) await rm(join(run, name), { recursive: true, force: true });
}
