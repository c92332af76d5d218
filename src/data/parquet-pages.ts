/**
 * Measures the size of a row group from its page headers: a page of twenty bytes may declare two billion values. The
 * headers must agree with the file's index before a single page is decompressed.
 */
import type { AsyncBuffer, ColumnChunk, ColumnMetaData, PageHeader, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { DataLimits } from './limits.js';

/** Returns the byte range of a column chunk. */
function byteRange(column: ColumnMetaData): [start: number, end: number] {
  const { dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size } = column;
  const start = Number(dictionary && dictionary < data ? dictionary : data);
  return [start, start + Number(size)];
}

const countValues = (header: PageHeader): number =>
  header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values ?? 0;

interface ChunkTotals {
  readonly values: number;
  readonly dictionary: number;
  readonly bytes: number;
}

/** Sums over the pages of a chunk. @throws an Error where a page exceeds the chunk or its declared values. */
function sumPages(chunk: ArrayBuffer, most: number): ChunkTotals {
  const reader = { view: new DataView(chunk), offset: 0 };
  let values = 0;
  let dictionary = 0;
  let bytes = 0;
  while (reader.offset < chunk.byteLength - 1) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const sizes = [packed, unpacked, countValues(header), header.dictionary_page_header?.num_values ?? 0];
    if (!sizes.every((size) => Number.isInteger(size) && size >= 0)) throw new Error('a page header is damaged');
    if (reader.offset + packed > chunk.byteLength) throw new Error('a page is longer than its column');
    reader.offset += packed;
    values += countValues(header);
    dictionary += header.dictionary_page_header?.num_values ?? 0;
    bytes += unpacked;
    if (values > most || dictionary > most) throw new Error('a column contains more values than its index declares');
  }
  return { values, dictionary, bytes };
}

async function checkChunk(buffer: AsyncBuffer, { meta_data: column, file_path }: ColumnChunk): Promise<ChunkTotals> {
  if (column === undefined || file_path) throw new Error('a column is stored in another file');
  const [start, end] = byteRange(column);
  const declared = Number(column.num_values);
  const totals = sumPages(await buffer.slice(start, end), declared);
  if (totals.values !== declared)
    throw new Error(`a column contains ${totals.values} values, its index declares ${declared}`);
  return totals;
}

/** @throws an Error when the group's pages contradict the index, or exceed a limit. */
export async function checkPages(
  buffer: AsyncBuffer,
  group: RowGroup,
  columns: readonly string[] | undefined,
  limits: DataLimits,
): Promise<void> {
  const declared = group.columns.reduce((sum, { meta_data }) => sum + Number(meta_data?.num_values ?? 0), 0);
  const most = Math.max(declared, Number(group.num_rows));
  if (most > limits.groupValues) {
    throw new Error(`${most} values exceed the limit of ${limits.groupValues}: write smaller row groups`);
  }
  let bytes = 0;
  for (const chunk of group.columns) {
    const name = chunk.meta_data?.path_in_schema[0];
    if (columns !== undefined && !columns.includes(name ?? '')) continue;
    bytes += (await checkChunk(buffer, chunk)).bytes;
    if (bytes > limits.totalBytes) throw new Error(`it decompresses to more than ${limits.totalBytes} bytes`);
  }
}
