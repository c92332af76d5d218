/** The readers of data files by file extension. */
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readJsonLines } from './jsonl.js';
import type { RowSink } from './sink.js';

/** Reads a file's rows and problems into the sink. `columns` are the columns in use; undefined reads all. */
export type Reader = (file: string, sink: RowSink, columns?: readonly string[]) => Promise<void>;

export const readers: Readonly<Record<string, Reader>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.csv': (file, sink) => readCsv(file, sink),
  '.tsv': (file, sink) => readCsv(file, sink, '\t'),
  // The decompressors are only loaded for a Parquet file.
  '.parquet': async (file, sink, columns) => (await import('./parquet.js')).readParquet(file, sink, columns),
};
