/** The readers of data files by file extension. */
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readJsonLines } from './jsonl.js';
import type { Reader } from './sink.js';

/** Formats of text, which may be compressed. */
const textReaders: Readonly<Record<string, Reader>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.csv': (file, sink) => readCsv(file, sink),
  '.tsv': (file, sink) => readCsv(file, sink, '\t'),
};

/** Their libraries are only loaded for such a file. */
const binaryReaders: Readonly<Record<string, Reader>> = {
  '.parquet': async (file, sink, columns) => (await import('./in-thread.js')).readParquet(file, sink, columns),
  '.arrow': async (file, sink, columns) => (await import('./in-thread.js')).readArrow(file, sink, columns),
  '.feather': async (file, sink, columns) => (await import('./in-thread.js')).readArrow(file, sink, columns),
};

export const readers: Readonly<Record<string, Reader>> = {
  ...textReaders,
  ...Object.fromEntries(Object.entries(textReaders).map(([extension, read]) => [`${extension}.gz`, read])),
  ...binaryReaders,
};

/** The extensions for messages. */
export const extensions = `${Object.keys({ ...textReaders, ...binaryReaders }).join(' ')}; text formats also with .gz`;
