/** Parquet files, read in a thread of their own, which is ended when a damaged or hostile file keeps it busy. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RewardTimeoutError } from '../errors.js';
import { IsolatedFunction } from '../reward/isolated.js';
import type { ParquetRecord, ParquetRequest } from './parquet-file.js';
import type { RowSink } from './sink.js';

/** A minute, and a second for each of these bytes: far more than an honest file takes. */
const bytesPerSecond = 2 ** 20;
const leastSeconds = 60;

/** Heap of the thread: what rows take is a few times their file, but for what a hostile one asks for. */
const heapMiBOf = (bytes: number): number => Math.min(8192, 512 + Math.ceil((8 * bytes) / 2 ** 20));

const reader = fileURLToPath(new URL(`./parquet-file${import.meta.url.slice(-3)}`, import.meta.url));

function messageOf(error: unknown): string {
  if (RewardTimeoutError.isInstance(error)) return `took longer than ${String(error.fields.seconds)} s to unpack`;
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** Only these columns are unpacked; undefined unpacks all. `least`: seconds that even an empty file is given. */
export async function readParquet(
  file: string,
  sink: RowSink,
  columns?: readonly string[],
  least = leastSeconds,
): Promise<void> {
  const { size } = await stat(file);
  const timeoutSeconds = least + Math.ceil(size / bytesPerSecond);
  const thread = new IsolatedFunction({
    file: reader,
    name: 'recordParquet',
    timeoutSeconds,
    heapMiB: heapMiBOf(size),
  });
  try {
    const request: ParquetRequest = { file, columns, limits: sink.limits };
    const { bytes, rows, problems } = (await thread.call(request)) as ParquetRecord;
    for (const { message, place, hint } of problems) sink.problem(message, place, hint);
    if (bytes > sink.limits.totalBytes && problems.length > 0) return;
    sink.count(bytes);
    for (const { row, place } of rows) if (sink.open) sink.row(row, () => place);
  } catch (error) {
    sink.problem(messageOf(error));
  } finally {
    await thread.close();
  }
}
