/**
 * What a row group will cost, read from the headers of its pages: a page of twenty bytes may say that it holds two
 * thousand million values. The headers must agree with the file's own index before a single page is unpacked.
 */
import type { AsyncBuffer, ColumnChunk, ColumnMetaData, PageHeader, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { DataLimits } from './limits.js';

/** The bytes of a column chunk. */
function rangeOf(column: ColumnMetaData): [start: number, end: number] {
  const { dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size } = column;
  const start = Number(dictionary && dictionary < data ? dictionary : data);
  return [start, start + Number(size)];
}

const valuesOf = (header: PageHeader): number =>
  header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values ?? 0;

interface ChunkTotals {
  readonly values: number;
  readonly dictionary: number;
  readonly bytes: number;
}

/** Totals over the pages of a chunk. @throws an Error where a page leaves the chunk. */
function totalsOf(chunk: ArrayBuffer, most: number): ChunkTotals {
  const reader = { view: new DataView(chunk), offset: 0 };
  let [values, dictionary, bytes] = [0, 0, 0];
  while (reader.offset < chunk.byteLength - 1) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const sizes = [packed, unpacked, valuesOf(header), header.dictionary_page_header?.num_values ?? 0];
    if (!sizes.every((size) => Number.isInteger(size) && size >= 0)) throw new Error('a page header is damaged');
    if (reader.offset + packed > chunk.byteLength) throw new Error('a page is longer than its column');
    reader.offset += packed;
    values += valuesOf(header);
    dictionary += header.dictionary_page_header?.num_values ?? 0;
    bytes += unpacked;
    if (values > most || dictionary > most) throw new Error('a column holds more values than its index says');
  }
  return { values, dictionary, bytes };
}

async function checkChunk(buffer: AsyncBuffer, { meta_data: column, file_path }: ColumnChunk): Promise<ChunkTotals> {
  if (column === undefined || file_path) throw new Error('a column lies in another file');
  const [start, end] = rangeOf(column);
  const declared = Number(column.num_values);
  const totals = totalsOf(await buffer.slice(start, end), declared);
  if (totals.values !== declared) throw new Error(`a column holds ${totals.values} values, its index says ${declared}`);
  return totals;
}

/** @throws an Error when the group's pages are not as the index says, or there is too much in them. */
export async function checkPages(
  buffer: AsyncBuffer,
  group: RowGroup,
  columns: readonly string[] | undefined,
  limits: DataLimits,
): Promise<void> {
  const declared = group.columns.reduce((sum, { meta_data }) => sum + Number(meta_data?.num_values ?? 0), 0);
  const most = Math.max(declared, Number(group.num_rows));
  if (most > limits.groupValues) {
    throw new Error(`${most} values, at most ${limits.groupValues} are read: write smaller row groups`);
  }
  let bytes = 0;
  for (const chunk of group.columns) {
    const name = chunk.meta_data?.path_in_schema[0];
    if (columns !== undefined && !columns.includes(name ?? '')) continue;
    bytes += (await checkChunk(buffer, chunk)).bytes;
    if (bytes > limits.totalBytes) throw new Error(`it unpacks to more than ${limits.totalBytes} bytes`);
  }
}
