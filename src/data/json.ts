/** Reads a `.json` file: one list of objects, or JSON Lines. */
import { open, readFile } from 'node:fs/promises';
import { isRecord, readJsonLines } from './jsonl.js';
import type { RowSink } from './sink.js';

/** Returns the first character that is not white space. */
async function firstCharacter(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
    return /[^\s\uFEFF]/.exec(buffer.toString('utf8', 0, bytesRead))?.[0];
  } finally {
    await handle.close();
  }
}

function parseList(text: string): readonly unknown[] | string {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : 'is not a list of objects';
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A list is held in memory as a whole, so its file has a smaller limit. */
const largestList = 512 * 2 ** 20;

async function readList(file: string, sink: RowSink): Promise<void> {
  const bytes = await readFile(file);
  sink.count(bytes.length);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    sink.problem('is not valid UTF-8', undefined, 'save the file as UTF-8');
    return;
  }
  const list = parseList(text);
  if (typeof list === 'string') sink.problem(list, undefined, 'write a list of objects, or one object per line');
  else {
    for (const [at, value] of list.entries()) {
      const place = (): string => `entry ${at + 1}`;
      if (isRecord(value)) sink.row(value, place);
      else sink.problem('is not a JSON object', place());
    }
  }
}

/** Reads a JSON file into the sink. */
export async function readJson(file: string, sink: RowSink): Promise<void> {
  if ((await firstCharacter(file)) !== '[') return readJsonLines(file, sink);
  const handle = await open(file, 'r');
  const { size } = await handle.stat().finally(() => handle.close());
  const most = Math.min(largestList, sink.limits.totalBytes);
  if (size <= most) return readList(file, sink);
  const message = `is a list of ${size} bytes, the limit is ${most}`;
  sink.problem(message, undefined, 'write one object per line, as .jsonl');
}
