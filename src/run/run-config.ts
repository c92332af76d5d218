/** Reads the config of a run, after the check that the path names one. */
import { type Changes, loadRunSources, noFlags } from '../config/load-config.js';
import type { RunConfig } from '../config/parse.js';
import { listCheckpoints, splitRunPath } from '../disk/checkpoint-folders.js';
import { realDisk, runFolderError } from '../disk/disk.js';
import { readManifest } from '../disk/manifest.js';
import { requireRun } from '../disk/require-run.js';
import { ConfigError } from '../errors.js';
import { packageVersion } from '../libtorch.js';

/** The version that wrote the newest checkpoint, where it is another one than this. */
async function otherVersion(path: string): Promise<string | undefined> {
  const { run, named } = splitRunPath(path);
  const checkpoint = named ?? (await listCheckpoints(run))[0];
  const manifest = checkpoint && (await readManifest(realDisk, checkpoint.folder).catch(() => undefined));
  const version = manifest?.versions?.package;
  return version === packageVersion() ? undefined : version;
}

/**
 * Loads the config of a run folder or of one of its checkpoints; `environment` and `flags` override it.
 * @throws RunFolderError when the path names no run, or one whose config another version wrote; ConfigError.
 */
export async function readRunConfig(path: string, changes: Changes = { flags: noFlags }): Promise<RunConfig> {
  await requireRun(path);
  try {
    return await loadRunSources(path, changes);
  } catch (error) {
    if (!ConfigError.isInstance(error)) throw error;
    const version = await otherVersion(path);
    if (version === undefined) throw error;
    const problem = `exit-rl ${version} wrote this run, and version ${packageVersion()} does not read its config: ${error.message}`;
    throw runFolderError(path, problem, `use exit-rl ${version}`, error);
  }
}
