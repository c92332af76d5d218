/** Tells what a folder holds: a run, one of its checkpoints, a comparison, a model, an adapter, or none of these. */
import { join } from 'node:path';
import { checkpointUpdate } from './checkpoint-folders.js';
import { type Disk, onDisk, realDisk } from './disk.js';
import { manifestName } from './manifest.js';

export type FolderKind =
  | 'missing'
  | 'file'
  | 'empty'
  | 'run'
  | 'checkpoint'
  | 'comparison'
  | 'model'
  | 'adapter'
  | 'other';

const adapterConfig = 'adapter_config.json';

/** The weights of a whole model, as safetensors: not those of an adapter, and not the state of training. */
const isModelWeights = (name: string): boolean =>
  /\.safetensors(\.index\.json)?$/.test(name) && !/^(adapter_|training\.|optimizer\.)/.test(name);

/** Whether these names are those of a model folder of transformers. */
export const isModel = (names: readonly string[]): boolean =>
  names.includes('config.json') && names.some(isModelWeights);

/** Whether these names are those of an adapter folder of PEFT, which may hold a copy of its base's config.json. */
export const isAdapter = (names: readonly string[]): boolean =>
  names.includes(adapterConfig) && !names.some(isModelWeights);

/** The kind of what lies at `path`. @throws RunFolderError when the disk cannot read it. */
export async function folderKind(path: string, disk: Disk = realDisk): Promise<FolderKind> {
  if ((await onDisk(path, () => disk.size(path))) !== undefined) return 'file';
  const names = await onDisk(path, () => disk.list(path));
  if (names.length === 0) return (await onDisk(path, () => disk.exists(path))) ? 'empty' : 'missing';
  if (names.includes(manifestName) && names.includes('state.json')) return 'checkpoint';
  if (await isRun(path, names, disk)) return 'run';
  if (names.includes('comparison.json')) return 'comparison';
  if (isAdapter(names)) return 'adapter';
  return isModel(names) ? 'model' : 'other';
}

/** A run has checkpoints of ours, lines of metrics, or at least its config: a start that failed leaves no more. */
async function isRun(path: string, names: readonly string[], disk: Disk): Promise<boolean> {
  for (const name of names.filter((one) => checkpointUpdate(one) !== undefined)) {
    const manifest = join(path, name, manifestName);
    if (await onDisk(manifest, () => disk.exists(manifest))) return true;
  }
  if (isModel(names) || isAdapter(names)) return false;
  return (
    names.includes('metrics.jsonl') || (names.includes('config.json') && isRunConfig(join(path, 'config.json'), disk))
  );
}

/** A run's config has some kilobytes. */
const mostBytes = 2 ** 20;

/** Whether a config.json is that of a run; one that cannot be parsed is not. */
async function isRunConfig(file: string, disk: Disk): Promise<boolean> {
  const size = await onDisk(file, () => disk.size(file));
  if (size === undefined || size > mostBytes) return false;
  const text = Buffer.from(await onDisk(file, () => disk.read(file))).toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'method' in value && !('model_type' in value);
  } catch {
    return false;
  }
}
