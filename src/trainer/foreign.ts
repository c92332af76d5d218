/** Checkpoints of other programs: pickles run code when they are read, so none is ever read. */
import { join } from 'node:path';
import type { Disk } from './disk.js';
import { onDisk, runFolderError } from './disk-errors.js';
import { manifestName } from './manifest.js';

const pickle = /\.(bin|pt|pth|pkl|pickle|ckpt)$/;

/** What a run folder or a checkpoint of ours has, and another program's checkpoint has not. */
const ours = (name: string): boolean => name === manifestName || name === 'metrics.jsonl';

/** @throws RunFolderError with advice when `path` is a file, or holds what another program saved to go on from. */
export async function refuseForeign(disk: Disk, path: string): Promise<void> {
  if ((await onDisk(path, () => disk.size(path))) !== undefined) {
    const kind = pickle.test(path) ? 'a pickle, which is never read: it may run code' : 'a file';
    throw runFolderError(path, `is ${kind}`, 'name a run folder, or one of its checkpoint folders');
  }
  const names = await onDisk(path, () => disk.list(path));
  const found = names.find((name) => pickle.test(name));
  if (found === undefined || names.some(ours)) return;
  const problem = `is another program's checkpoint: ${found} is a pickle, which is never read: it may run code`;
  const safe = 'save the model as safetensors (transformers: save_pretrained(folder, safe_serialization=True))';
  throw runFolderError(join(path, found), problem, `${safe} and begin a new run with --model folder`);
}
