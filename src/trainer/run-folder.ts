/** The folder of a run: resolved config, metrics and traces that only grow, checkpoints; one writer at a time. */
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeUnfinished } from './checkpoint.js';
import { flush, runFolderError, writeDurably, writing } from './durable.js';
import { type Lock, lockFolder } from './lock.js';

/** A file of lines that knows its length, so that a resumed run can cut off what came after its checkpoint. */
export interface LineFile {
  /** Bytes written so far. */
  readonly size: number;
  append(lines: readonly unknown[]): Promise<void>;
  /** After this, every line is on the disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Opens `path` for appending after its first `keep` bytes. */
async function openLines(path: string, keep: number): Promise<LineFile> {
  const file: FileHandle = await open(path, 'a');
  const found = (await file.stat()).size;
  if (found > keep) await file.truncate(keep);
  let size = Math.min(found, keep);
  return {
    get size() {
      return size;
    },
    async append(lines) {
      const text = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await writing(path, () => file.appendFile(text));
      size += text.length;
    },
    flush: () => writing(path, () => file.sync()),
    close: () => file.close(),
  };
}

export interface RunFolder {
  readonly path: string;
  readonly metrics: LineFile;
  readonly traces: LineFile;
  close(): Promise<void>;
}

export interface RunFolderOptions {
  readonly path: string;
  /** Written to config.json. */
  readonly config: unknown;
  /** Bytes of metrics and traces that the checkpoint to resume from knows; absent for a new run. */
  readonly resume?: { readonly metricsBytes: number; readonly tracesBytes: number };
}

async function refuseUsed(path: string): Promise<void> {
  const names = await readdir(path);
  if (!names.some((name) => name === 'metrics.jsonl' || name.startsWith('checkpoint-'))) return;
  throw runFolderError(
    path,
    'holds a run already',
    `go on with \`exit-rl train --resume ${path}\`, or choose another --out`,
  );
}

async function openFiles({ path, config, resume }: RunFolderOptions, lock: Lock): Promise<RunFolder> {
  if (resume === undefined) await refuseUsed(path);
  await removeUnfinished(path);
  await writeDurably(join(path, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const metrics = await openLines(join(path, 'metrics.jsonl'), resume?.metricsBytes ?? 0);
  const traces = await openLines(join(path, 'traces.jsonl'), resume?.tracesBytes ?? 0);
  await flush(path);
  const close = async (): Promise<void> => {
    await metrics.close();
    await traces.close();
    await lock.release();
  };
  return { path, metrics, traces, close };
}

/** Creates the folder where there is none, and locks it. @throws RunFolderError when it is in use or not writable. */
export async function lockRunFolder(path: string): Promise<Lock> {
  await writing(path, () => mkdir(path, { recursive: true }));
  return lockFolder(path);
}

/**
 * Opens the files of a locked run folder; closing it releases the lock, as does a failure here.
 * @throws RunFolderError when it holds another run, or cannot be written.
 */
export async function openRunFolder(options: RunFolderOptions, lock: Lock): Promise<RunFolder> {
  try {
    return await writing(options.path, () => openFiles(options, lock));
  } catch (error) {
    await lock.release();
    throw error;
  }
}
