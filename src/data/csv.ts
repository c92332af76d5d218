/** Reads CSV and TSV (RFC 4180): the first record names the columns; every value is text, including the empty text. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { CsvError, type Info, Parser } from 'csv-parse';
import type { RowSink } from './sink.js';

interface Parsed {
  readonly record: readonly string[];
  readonly info: Info;
}

/** Returns the column names; undefined, after reporting each problem, when a name is missing or occurs twice. */
function readColumnNames(names: readonly string[], sink: RowSink): readonly string[] | undefined {
  const trimmed = names.map((name) => name.trim());
  const wrong = trimmed.flatMap((name, at) => {
    if (name === '') return [`column ${at + 1} has no name`];
    return trimmed.indexOf(name) < at ? [`two columns are named \`${name}\``] : [];
  });
  for (const message of wrong) sink.problem(message, 'line 1', 'the first line must name the columns');
  return wrong.length === 0 ? trimmed : undefined;
}

async function readRecords(records: AsyncIterable<Parsed>, sink: RowSink): Promise<void> {
  let columns: readonly string[] | undefined;
  for await (const { record, info } of records) {
    const place = (): string => `line ${info.lines}`;
    if (columns === undefined) {
      columns = readColumnNames(record, sink);
      if (columns === undefined) return;
    } else if (record.length !== columns.length) {
      sink.problem(`has ${record.length} values, the first line names ${columns.length} columns`, place());
    } else sink.row(Object.fromEntries(columns.map((name, at) => [name, record[at]])), place);
    if (!sink.open) return;
  }
}

class LongRecord extends Error {}

/** Decodes UTF-8. A line of separators alone has no long value but may be long itself, so line bytes are counted here. */
async function* decode(chunks: AsyncIterable<Buffer>, sink: RowSink): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lineBytes = 0;
  for await (const chunk of chunks) {
    sink.count(chunk.length);
    if (!sink.open) return;
    const lastEnd = Math.max(chunk.lastIndexOf('\n'), chunk.lastIndexOf('\r'));
    lineBytes = lastEnd < 0 ? lineBytes + chunk.length : chunk.length - lastEnd;
    if (lineBytes > sink.limits.recordBytes) throw new LongRecord();
    yield decoder.decode(chunk, { stream: true });
  }
  yield decoder.decode();
}

function describe(error: unknown): { message: string; place?: string } {
  if (error instanceof TypeError) return { message: 'is not valid UTF-8' };
  if (error instanceof LongRecord) return { message: 'has a line that is too long for a row' };
  if (!(error instanceof CsvError)) throw error;
  const { lines } = error as CsvError & { readonly lines?: number };
  const message = error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quoted value is never closed' : error.message;
  return lines === undefined ? { message } : { message, place: `line ${lines}` };
}

/** Reads a CSV or TSV file into the sink. */
export async function readCsv(file: string, sink: RowSink, delimiter = ','): Promise<void> {
  const options = { info: true, relax_column_count: true, skip_empty_lines: true };
  const parser = new Parser({ ...options, delimiter, max_record_size: sink.limits.recordBytes });
  try {
    await pipeline(
      createReadStream(file, { highWaterMark: 2 ** 16 }),
      (chunks: AsyncIterable<Buffer>) => decode(chunks, sink),
      parser,
      (records: AsyncIterable<Parsed>) => readRecords(records, sink),
    );
  } catch (error) {
    // The sink closed and has reported why.
    if (error instanceof Error && error.name === 'AbortError') return;
    const { message, place } = describe(error);
    sink.problem(message, place);
  }
}
