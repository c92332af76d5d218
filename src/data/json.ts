/** Reads a `.json` file: a list of objects, an object with such a list under `data`, one object, or JSON Lines. */
import { readBytes, reportUnreadable, UnreadableFile } from './bytes.js';
import { isRecord, readJsonLines, tryParse } from './jsonl.js';
import type { RowSink } from './sink.js';

/** Returns the first line that is not blank, or its first part where it is longer than `most` bytes. */
async function firstLine(file: string, most: number): Promise<string> {
  let begin = '';
  for await (const chunk of readBytes(file)) {
    begin = (begin + chunk.toString('utf8')).trimStart();
    const end = begin.search(/[\r\n]/);
    if (end >= 0) return begin.slice(0, end);
    if (begin.length > most) return begin;
  }
  return begin;
}

/** A list is held in memory as a whole, so its file has a smaller limit. */
const largestList = 512 * 2 ** 20;

/** Reads the whole text of a file. @throws UnreadableFile for one that is too large or not UTF-8. */
async function readText(file: string, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of readBytes(file)) {
    bytes += chunk.length;
    if (bytes > most)
      throw new UnreadableFile(`is a list of more than ${most} bytes`, 'write one object per line, as .jsonl');
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new UnreadableFile('is not valid UTF-8', 'save the file as UTF-8');
  }
}

/** Finds the rows of a file that is one JSON value. */
function findRows(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (!isRecord(value))
    throw new UnreadableFile('is not a list of objects', 'write a list of objects, or one object per line');
  const data = Object.hasOwn(value, 'data') ? value.data : undefined;
  return Array.isArray(data) && data.length > 0 && data.every(isRecord) ? data : [value];
}

async function readWhole(file: string, sink: RowSink): Promise<void> {
  const text = await readText(file, Math.min(largestList, sink.limits.totalBytes));
  sink.count(text.length);
  const value = tryParse(text);
  if (value instanceof Error) throw new UnreadableFile(`is not JSON: ${value.message}`);
  for (const [at, row] of findRows(value).entries()) {
    const place = (): string => `entry ${at + 1}`;
    if (isRecord(row)) sink.row(row, place);
    else sink.problem('is not a JSON object', place());
  }
}

/** True where the first line alone is an object, and so a row of JSON Lines, unless it holds the rows of a whole file. */
async function hasLines(file: string, sink: RowSink): Promise<boolean> {
  const line = await firstLine(file, sink.limits.recordBytes);
  if (!line.startsWith('{')) return !line.startsWith('[');
  const value = tryParse(line);
  // A damaged line is a problem of that line, a damaged object over several lines one of the file.
  return isRecord(value) && !(value instanceof Error) ? findRows(value)[0] === value : line.trimEnd().endsWith('}');
}

/** Reads a JSON file into the sink. */
export async function readJson(file: string, sink: RowSink): Promise<void> {
  await reportUnreadable(sink, async () => {
    if (await hasLines(file, sink)) await readJsonLines(file, sink);
    else await readWhole(file, sink);
  });
}
