/** Reads JSON Lines: one object per line; empty lines are skipped. */
import { ExactNumber, parseExact } from '../exact-json.js';
import { readLines } from './lines.js';
import type { RawRow, RowSink } from './sink.js';

export function isRecord(value: unknown): value is RawRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** Parses JSON with exact numbers; returns the error where the text is not JSON. */
export function tryParse(text: string): unknown {
  try {
    return parseExact(text);
  } catch (error) {
    return error;
  }
}

const hint = 'write one JSON object per line';

/** Reads a JSON Lines file into the sink. */
export async function readJsonLines(file: string, sink: RowSink): Promise<void> {
  await readLines(file, sink, (text, line) => {
    if (text.trim() === '') return;
    const place = (): string => `line ${line}`;
    const value = tryParse(text);
    if (value instanceof Error) sink.problem(`is not JSON: ${value.message}`, place(), hint);
    else if (!isRecord(value)) sink.problem('is not a JSON object', place(), hint);
    else sink.row(value, place);
  });
}
