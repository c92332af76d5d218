/** Reads Parquet and Arrow files in a separate thread, which is terminated when a damaged or hostile file keeps it busy. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RewardTimeoutError } from '../errors.js';
import { IsolatedFunction } from '../reward/isolated.js';
import type { FileRecord, FileRequest } from './record.js';
import type { RowSink } from './sink.js';

/** The time limit is a minute, and a second per this many bytes: far more than a valid file needs. */
const bytesPerSecond = 2 ** 20;
const leastSeconds = 60;

/** Limits the heap of the thread: rows take a few times the size of their file, unless the file is hostile. */
const heapLimitMiB = (bytes: number): number => Math.min(8192, 512 + Math.ceil((8 * bytes) / 2 ** 20));

const moduleFile = (name: string): string =>
  fileURLToPath(new URL(`./${name}${import.meta.url.slice(-3)}`, import.meta.url));

function describe(error: unknown): string {
  if (RewardTimeoutError.isInstance(error)) return `took longer than ${String(error.fields.seconds)} s to decompress`;
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** A module that runs in the thread, and its function. */
interface ThreadReader {
  readonly file: string;
  readonly name: string;
}

async function readInThread(reader: ThreadReader, request: FileRequest, sink: RowSink, least: number): Promise<void> {
  const { size } = await stat(request.file);
  const timeoutSeconds = least + Math.ceil(size / bytesPerSecond);
  const thread = new IsolatedFunction({ ...reader, timeoutSeconds, heapMiB: heapLimitMiB(size) });
  try {
    const { bytes, rows, problems } = (await thread.call(request)) as FileRecord;
    for (const { message, place, hint } of problems) sink.problem(message, place, hint);
    if (bytes > sink.limits.totalBytes && problems.length > 0) return;
    sink.count(bytes);
    for (const { row, place } of rows) if (sink.open) sink.row(row, () => place);
  } catch (error) {
    sink.problem(describe(error));
  } finally {
    await thread.close();
  }
}

/** Reads only these columns; undefined reads all. `least` is the time limit of an empty file in seconds. */
export function readParquet(
  file: string,
  sink: RowSink,
  columns?: readonly string[],
  least = leastSeconds,
): Promise<void> {
  const reader = { file: moduleFile('parquet-file'), name: 'recordParquet' };
  return readInThread(reader, { file, columns, limits: sink.limits }, sink, least);
}

/** Reads only these columns of a file in Arrow's stream or file format; undefined reads all. */
export function readArrow(file: string, sink: RowSink, columns?: readonly string[]): Promise<void> {
  const reader = { file: moduleFile('arrow-file'), name: 'recordArrow' };
  return readInThread(reader, { file, columns, limits: sink.limits }, sink, leastSeconds);
}
