/** manifest.json of a checkpoint: lists its files with sizes and hashes, by which it is verified. */
import { createHash } from 'node:crypto';
import { basename, isAbsolute, join } from 'node:path';
import { CheckpointCorruptError } from '../errors.js';
import { type Disk, onDisk, realDisk, runFolderError } from './disk.js';

export const manifestName = 'manifest.json';
export const formatVersion = 1;

/** The versions that wrote a checkpoint. */
export interface Versions {
  readonly package: string;
  readonly node: string;
  /** Absent when no libtorch is loaded, or its version is unknown. */
  readonly libtorch?: string;
}

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
  readonly versions: Versions;
  readonly files: Readonly<Record<string, ManifestFile>>;
  /** Hash of this file's text with this field empty. */
  readonly sha256: string;
}

/** Creates the error for a damaged checkpoint. */
export function corrupt(folder: string, reason: string): CheckpointCorruptError {
  const fix = 'resume from the run folder to fall back to the previous checkpoint';
  return new CheckpointCorruptError(`${folder}: ${reason}; ${fix}`, { folder, reason, fix });
}

const hashText = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The last field of the text: the hash of the text with that field empty, so that it covers every other byte. */
const seal = /"sha256": "([0-9a-f]{64})"\n}\n$/;
const unsealed = '"sha256": ""\n}\n';

export function manifestText(manifest: Omit<Manifest, 'sha256'>): string {
  const text = `${JSON.stringify({ ...manifest, sha256: '' }, null, 2)}\n`;
  return text.replace(/"sha256": ""\n}\n$/, `"sha256": "${hashText(text)}"\n}\n`);
}

function parseManifest(folder: string, text: string): Manifest {
  const sealed = seal.exec(text)?.[1];
  if (sealed === undefined || hashText(text.replace(seal, unsealed)) !== sealed)
    throw corrupt(folder, `${manifestName} differs from the hash that it contains`);
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format === formatVersion) return manifest;
  const problem = `field format: the checkpoint has ${manifest.format}, this version reads ${formatVersion}`;
  throw runFolderError(folder, problem, `use exit-rl ${manifest.versions?.package ?? 'of the version that wrote it'}`);
}

/** @throws CheckpointCorruptError when it is missing or damaged, RunFolderError when another version wrote it. */
export async function readManifest(disk: Disk, folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  if ((await onDisk(path, () => disk.size(path))) === undefined) throw corrupt(folder, `${manifestName} is missing`);
  const text = Buffer.from(await onDisk(path, () => disk.read(path))).toString('utf8');
  const manifest = parseManifest(folder, text);
  const named = /^checkpoint-(\d+)$/.exec(basename(folder))?.[1];
  if (named === undefined || Number(named) === manifest.update) return manifest;
  throw corrupt(folder, `its manifest belongs to update ${manifest.update}`);
}

function isInside(name: string): boolean {
  return name !== '' && !isAbsolute(name) && !name.split('/').includes('..');
}

async function checkSize(disk: Disk, folder: string, name: string, expected: ManifestFile): Promise<void> {
  if (!isInside(name)) throw corrupt(folder, `the manifest names a file outside the checkpoint: ${name}`);
  const size = await onDisk(join(folder, name), () => disk.size(join(folder, name)));
  if (size === undefined) throw corrupt(folder, `${name} is missing`);
  if (size !== expected.size) throw corrupt(folder, `${name} has ${size} bytes, the manifest lists ${expected.size}`);
}

/**
 * Reads every file of a checkpoint, compares it with the manifest (size in bytes, SHA-256) and returns the manifest.
 * @throws CheckpointCorruptError that names the first file that is missing or differs, RunFolderError when another version
 * wrote the checkpoint or the disk cannot read it.
 *
 * @example
 * import { verifyCheckpoint } from 'exit-rl/checkpoints';
 * import { CheckpointCorruptError } from 'exit-rl/errors';
 *
 * try {
 *   const { update } = await verifyCheckpoint('runs/first/checkpoint-400');
 *   console.log(`update ${update} is whole`);
 * } catch (error) {
 *   if (!CheckpointCorruptError.isInstance(error)) throw error;
 *   console.log(error.message);
 * }
 */
export async function verifyCheckpoint(folder: string, disk: Disk = realDisk): Promise<Manifest> {
  const manifest = await readManifest(disk, folder);
  for (const [name, expected] of Object.entries(manifest.files)) {
    await checkSize(disk, folder, name, expected);
    const hash = await onDisk(join(folder, name), () => disk.hash(join(folder, name)));
    if (hash !== expected.sha256) throw corrupt(folder, `${name} differs from its hash in the manifest`);
  }
  return manifest;
}

/** Checks manifest and sizes only, a cheap test for changes since the last verification. @throws CheckpointCorruptError. */
export async function checkSizes(disk: Disk, folder: string): Promise<void> {
  const { files } = await readManifest(disk, folder);
  for (const [name, expected] of Object.entries(files)) await checkSize(disk, folder, name, expected);
}
