/** The readers by file extension. */
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readJsonLines } from './jsonl.js';
import type { RowSink } from './sink.js';

/** Puts the rows of a file into the sink; what is wrong with them as well. `columns`: those that are looked at. */
export type Reader = (file: string, sink: RowSink, columns?: readonly string[]) => Promise<void>;

export const readers: Readonly<Record<string, Reader>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.csv': (file, sink) => readCsv(file, sink),
  '.tsv': (file, sink) => readCsv(file, sink, '\t'),
  // The decompressors are loaded with the first Parquet file.
  '.parquet': async (file, sink, columns) => (await import('./parquet.js')).readParquet(file, sink, columns),
};
