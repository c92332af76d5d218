/** JSON Lines: one object a line; empty lines are passed over. */
import { readLines } from './lines.js';
import type { RawRow, RowSink } from './sink.js';

export function isRecord(value: unknown): value is RawRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

export async function readJsonLines(file: string, sink: RowSink): Promise<void> {
  await readLines(file, sink, (text, line) => {
    if (text.trim() === '') return;
    const place = (): string => `line ${line}`;
    const value = parseLine(text);
    if (value instanceof Error) sink.problem(`is not JSON: ${value.message}`, place(), 'one JSON object a line');
    else if (!isRecord(value)) sink.problem('is not a JSON object', place(), 'one JSON object a line');
    else sink.row(value, place);
  });
}
