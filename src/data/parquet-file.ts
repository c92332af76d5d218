/**
 * Reads Parquet, one row group at a time. Sizes are checked against the file's headers before anything is decompressed.
 * Runs in a thread, because a run length within a page may still expand to billions of values.
 */
import { type FileHandle, open } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type AsyncRowGroup,
  type FileMetaData,
  parquetMetadataAsync,
  parquetSchema,
} from 'hyparquet';
import { assembleAsync, asyncGroupToRows, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { prepareParquetRead } from 'hyparquet/src/scan.js';
import { boundedCompressors } from './decompress.js';
import type { DataLimits } from './limits.js';
import { checkPages } from './parquet-pages.js';
import { InvalidText, plainValue, textFromBytes } from './parquet-values.js';
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

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Reads only these columns; undefined reads all. */
async function readFile(file: string, sink: RowSink, columns?: readonly string[]): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const buffer = createBuffer(handle, (await handle.stat()).size);
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false }).catch((error: unknown) => {
      sink.problem(`is not a Parquet file: ${messageOf(error)}`);
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
  columns: readonly string[] | undefined,
): Promise<void> {
  const names = new Set(metadata.row_groups.flatMap((group) => group.columns.map(topColumn)));
  const wanted = columns?.filter((column) => names.has(column));
  let first = 0;
  for (const [at, group] of metadata.row_groups.entries()) {
    if (!sink.open) return;
    const place = `row group ${at + 1}`;
    try {
      const rows = Number(group.num_rows);
      await checkPages(buffer, group, wanted, sink.limits);
      const groupRows = await readGroup({ buffer, metadata, sink, first, rows, columns: wanted });
      groupRows.forEach((row, index) => void addRow(row, `${place}, row ${index + 1}`, sink));
      first += rows;
    } catch (error) {
      return sink.problem(`cannot be read: ${messageOf(error)}`, place);
    }
  }
}

const topColumn = ({ meta_data }: FileMetaData['row_groups'][number]['columns'][number]): string =>
  meta_data?.path_in_schema[0] ?? '';

interface GroupRequest {
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly sink: RowSink;
  readonly first: number;
  readonly rows: number;
  readonly columns: readonly string[] | undefined;
}

async function readGroup(request: GroupRequest): Promise<readonly RawRow[]> {
  const { buffer: file, metadata, sink, first, rows, columns } = request;
  const compressors = boundedCompressors((bytes) => {
    sink.count(bytes);
    if (!sink.open) throw new Error('its decompressed size exceeds the limit');
  });
  const wanted = columns && [...columns];
  const { options, plan } = await prepareParquetRead({
    file,
    metadata,
    compressors,
    rowStart: first,
    rowEnd: first + rows,
    ...(wanted && { columns: wanted }),
    geoparquet: false,
    utf8: false,
    parsers: { stringFromBytes: textFromBytes },
  });
  const tree = parquetSchema(metadata);
  const assembledRows: RawRow[] = [];
  for (const group of plan.groups) {
    const leaves: AsyncRowGroup = { ...group, asyncColumns: [] };
    // One after the other, so that an error in one column leaves no pending promise of another.
    for (const chunk of group.chunks) {
      const column = await settle(readRowGroup(options, plan, { ...group, chunks: [chunk] }));
      leaves.asyncColumns.push(...column.asyncColumns);
    }
    const assembled = await settle(assembleAsync(leaves, tree, options.parsers));
    const from = Math.max(first - group.groupStart, 0);
    const to = Math.min(first + rows - group.groupStart, group.groupRows);
    const decoded = await asyncGroupToRows(assembled, from, to, wanted, 'object');
    for (const row of decoded) assembledRows.push(row as RawRow);
  }
  return assembledRows;
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

function addRow(row: RawRow, place: string, sink: RowSink): void {
  try {
    sink.row(
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value, sink)])),
      () => place,
    );
  } catch (error) {
    if (!(error instanceof InvalidText)) throw error;
    sink.problem('contains text that is not valid UTF-8', place, 'exclude binary columns with data.columns');
  }
}

/** The argument of `recordParquet`. */
export interface ParquetRequest {
  readonly file: string;
  readonly columns?: readonly string[] | undefined;
  readonly limits: DataLimits;
}

/** The rows and problems of a file, in the order in which a sink receives them. */
export interface ParquetRecord {
  readonly bytes: number;
  readonly rows: readonly { readonly row: RawRow; readonly place: string }[];
  readonly problems: readonly { readonly message: string; readonly place?: string; readonly hint?: string }[];
}

/** Reads a file in the thread and returns everything for the sink of the main thread. */
export async function recordParquet({ file, columns, limits }: ParquetRequest): Promise<ParquetRecord> {
  const rows: { row: RawRow; place: string }[] = [];
  const problems: ParquetRecord['problems'][number][] = [];
  let bytes = 0;
  const isOpen = (): boolean =>
    bytes <= limits.totalBytes && rows.length <= limits.rows && problems.length < limits.problems;
  await readFile(
    file,
    {
      limits,
      get open() {
        return isOpen();
      },
      get troubled() {
        return problems.length > 0;
      },
      count: (more) => {
        bytes += more;
      },
      row: (row, place) => void (isOpen() && rows.push({ row, place: place() })),
      problem: (message, place, hint) =>
        void problems.push({ message, ...(place && { place }), ...(hint && { hint }) }),
    },
    columns,
  );
  return { bytes, rows, problems };
}
