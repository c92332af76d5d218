/** Parquet, one row group at a time. Sizes are checked against the file's own headers before anything is unpacked. */
import { type FileHandle, open } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { boundedCompressors } from './decompress.js';
import { checkPages } from './parquet-pages.js';
import { InvalidText, plainValue, textFromBytes } from './parquet-values.js';
import type { RawRow, RowSink } from './sink.js';

/** The file as the library reads it. */
function bufferOf(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (!(start >= 0 && end >= start && end <= byteLength)) {
        throw new RangeError(`bytes ${start} to ${end} of ${byteLength} were asked for`);
      }
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      if (bytesRead !== bytes.length) throw new RangeError('the file ended early');
      return bytes.buffer;
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Only these columns are unpacked; undefined unpacks all. */
export async function readParquet(file: string, sink: RowSink, columns?: readonly string[]): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const buffer = bufferOf(handle, (await handle.stat()).size);
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
      const found = await readGroup({ buffer, metadata, sink, first, rows, columns: wanted });
      found.forEach((row, index) => void takeRow(row, `${place}, row ${index + 1}`, sink));
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
    if (!sink.open) throw new Error('it unpacks to more than may be read');
  });
  return parquetReadObjects({
    ...{ file, metadata, compressors, rowStart: first, rowEnd: first + rows },
    ...(columns && { columns: [...columns] }),
    geoparquet: false,
    utf8: false,
    parsers: { stringFromBytes: textFromBytes },
  });
}

function takeRow(row: RawRow, place: string, sink: RowSink): void {
  try {
    sink.row(
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value, sink)])),
      () => place,
    );
  } catch (error) {
    if (!(error instanceof InvalidText)) throw error;
    sink.problem('holds a text that is not valid UTF-8', place, 'leave binary columns out with data.columns');
  }
}
