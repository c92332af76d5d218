/**
 * Reads Parquet, one row group at a time. Sizes are checked against the file's headers before anything is decompressed.
 * Runs in a thread, because a run length within a page may still expand to billions of values.
 */
import { type FileHandle, open } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type AsyncRowGroup,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetSchema,
} from 'hyparquet';
import { assembleAsync, asyncGroupToRows, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { prepareParquetRead } from 'hyparquet/src/scan.js';
import { thrownMessage } from '../shown.js';
import { boundedCompressors } from './decompress.js';
import { checkPages } from './parquet-pages.js';
import { type ParquetColumns, type ParquetField, readColumns } from './parquet-schema.js';
import { InvalidText, keyMark, plainValue, textFromBytes } from './parquet-values.js';
import { type FileRecord, type FileRequest, recordFile } from './record.js';
import type { RawRow, RowSink } from './sink.js';

/** Wraps the file as the library's random-access buffer. */
function createBuffer(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (!(start >= 0 && end >= start && end <= byteLength)) {
        throw new RangeError(`cannot read bytes ${start} to ${end} of ${byteLength}`);
      }
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      if (bytesRead !== bytes.length) throw new RangeError('the file ended early');
      return bytes.buffer;
    },
  };
}

/** Reads only these columns; undefined reads all. */
async function readFile(file: string, sink: RowSink, columns?: readonly string[]): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const buffer = createBuffer(handle, (await handle.stat()).size);
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false }).catch((error: unknown) => {
      sink.problem(`is not a Parquet file: ${thrownMessage(error)}`);
    });
    if (metadata) await readGroups(buffer, metadata, sink, columns);
  } finally {
    await handle.close();
  }
}

async function readGroups(
  buffer: AsyncBuffer,
  metadata: FileMetaData,
  sink: RowSink,
  wanted: readonly string[] | undefined,
): Promise<void> {
  const file = openColumns(metadata, sink);
  if (file === undefined) return;
  const columns = file.columns.filter(({ name }) => wanted?.includes(name) ?? true);
  const keys = wanted && columns.map(({ key }) => key);
  let first = 0;
  for (const [at, group] of file.metadata.row_groups.entries()) {
    if (!sink.open) return;
    const rows = Number(group.num_rows);
    const place = `row group ${at + 1}`;
    try {
      // Writers leave anything in the chunks of a group without rows.
      if (rows === 0) continue;
      await checkPages(buffer, group, keys, sink.limits);
      const groupRows = await readGroup({ buffer, file, sink, first, rows, keys });
      groupRows.forEach((row, index) => void addRow(row, columns, `${place}, row ${index + 1}`, sink));
      first += rows;
    } catch (error) {
      return sink.problem(`cannot be read: ${thrownMessage(error)}`, place);
    }
  }
}

function openColumns(metadata: FileMetaData, sink: RowSink): ParquetColumns | undefined {
  try {
    return readColumns(metadata);
  } catch (error) {
    sink.problem(`cannot be read: ${thrownMessage(error)}`);
    return undefined;
  }
}

interface GroupRequest {
  readonly buffer: AsyncBuffer;
  readonly file: ParquetColumns;
  readonly sink: RowSink;
  readonly first: number;
  readonly rows: number;
  readonly keys: readonly string[] | undefined;
}

async function readGroup(request: GroupRequest): Promise<readonly RawRow[]> {
  const { buffer, file, sink, first, rows, keys } = request;
  const { metadata, mapKeys } = file;
  const compressors = boundedCompressors((bytes) => {
    sink.count(bytes);
    if (!sink.open) throw new Error('its decompressed size exceeds the limit');
  });
  const wanted = keys && [...keys];
  const { options, plan } = await prepareParquetRead({
    file: buffer,
    metadata,
    compressors,
    rowStart: first,
    rowEnd: first + rows,
    ...(wanted && { columns: wanted }),
    geoparquet: false,
    utf8: false,
    parsers,
  });
  const tree = parquetSchema(metadata);
  const assembledRows: RawRow[] = [];
  for (const group of plan.groups) {
    const leaves: AsyncRowGroup = { ...group, asyncColumns: [] };
    // One after the other, so that an error in one column leaves no pending promise of another.
    for (const chunk of group.chunks) {
      const column = await settle(readRowGroup(options, plan, { ...group, chunks: [chunk] }));
      leaves.asyncColumns.push(...column.asyncColumns.map((one) => markKeys(one, mapKeys)));
    }
    const assembled = await settle(assembleAsync(leaves, tree, options.parsers));
    const from = Math.max(first - group.groupStart, 0);
    const to = Math.min(first + rows - group.groupStart, group.groupRows);
    const decoded = await asyncGroupToRows(assembled, from, to, wanted, 'object');
    for (const row of decoded) assembledRows.push(row as RawRow);
  }
  return assembledRows;
}

/** Text is decoded where a dictionary holds it; every other value stays as the file has it. */
const parsers = {
  stringFromBytes: textFromBytes,
  timestampFromNanoseconds: (nanos: bigint) => nanos,
} as unknown as ParquetParsers;

type AsyncColumn = AsyncRowGroup['asyncColumns'][number];

/** Turns the keys of maps to marked texts, before the library assigns them. */
function markKeys(column: AsyncColumn, mapKeys: ParquetColumns['mapKeys']): AsyncColumn {
  const exact = mapKeys.get(column.pathInSchema.join('.'));
  if (exact === undefined) return column;
  const mark = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(mark);
    return value === undefined || value === null ? value : `${keyMark}${String(exact(value))}`;
  };
  const data = column.data.then((pages) => ({
    ...pages,
    data: pages.data.map((page) => Array.from(page as ArrayLike<unknown>, mark)),
  }));
  return { ...column, data };
}

/**
 * Waits for all columns of the group. The library itself waits for the first failure only; the failures of the others
 * would be unhandled rejections, which end the process.
 */
async function settle(group: AsyncRowGroup): Promise<AsyncRowGroup> {
  const settled = await Promise.allSettled(group.asyncColumns.map(({ data }) => data));
  const failed = settled.find((column) => column.status === 'rejected');
  if (failed) throw failed.reason;
  return group;
}

function addRow(row: RawRow, columns: readonly ParquetField[], place: string, sink: RowSink): void {
  try {
    const values = columns.map(({ name, key, type }) => [name, plainValue(type, row[key], sink)]);
    sink.row(Object.fromEntries(values), () => place);
  } catch (error) {
    if (error instanceof SyntaxError) sink.problem(`contains text that is not JSON: ${error.message}`, place);
    else if (!(error instanceof InvalidText)) throw error;
    else sink.problem('contains text that is not valid UTF-8', place, 'exclude binary columns with data.columns');
  }
}

/** Reads a file in the thread and returns everything for the sink of the main thread. */
export function recordParquet(request: FileRequest): Promise<FileRecord> {
  return recordFile(request, readFile);
}
