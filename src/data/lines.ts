/** Reads a text file line by line in constant memory; reading stops at a line that is too long. */
import { readBytes, reportUnreadable } from './bytes.js';
import type { RowSink } from './sink.js';

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Calls `onLine(text, line)` for every line that is valid UTF-8, counted from 1; reports the others as problems. A line ends
 * at `\n`, `\r\n` or `\r`, and none of them is part of its text.
 */
export async function readLines(
  file: string,
  sink: RowSink,
  onLine: (text: string, line: number) => void,
): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  const tryDecode = (bytes: Buffer): string | undefined => {
    try {
      return decoder.decode(bytes);
    } catch {
      sink.problem('is not valid UTF-8', `line ${line}`, 'save the file as UTF-8');
      return undefined;
    }
  };
  const decode = (bytes: Buffer): void => {
    for (const part of splitAtReturns(bytes)) {
      line += 1;
      const text = tryDecode(part);
      if (text !== undefined && sink.open) onLine(text, line);
    }
  };
  await reportUnreadable(sink, async () => {
    const rest = await splitLines(file, sink, decode);
    if (rest === undefined) {
      const longest = `${Math.floor(sink.limits.recordBytes / 2 ** 20)} MiB`;
      sink.problem(`is longer than ${longest}`, `line ${line + 1}`, 'write one row per line');
    } else if (rest.length > 0 && sink.open) decode(rest);
  });
}

/** Splits what stands before a `\n` at each `\r`; one at its end belongs to the `\n`. */
function splitAtReturns(bytes: Buffer): Buffer[] {
  const text = bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;
  const parts: Buffer[] = [];
  let begin = 0;
  for (let end = text.indexOf(carriageReturn); end >= 0; end = text.indexOf(carriageReturn, begin)) {
    parts.push(text.subarray(begin, end));
    begin = end + 1;
  }
  parts.push(text.subarray(begin));
  return parts;
}

/** Calls `onLine` for every complete line and returns the bytes after the last one; undefined when a line is too long. */
async function splitLines(file: string, sink: RowSink, onLine: (bytes: Buffer) => void): Promise<Buffer | undefined> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of readBytes(file)) {
    sink.count(chunk.length);
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0 && sink.open; end = chunk.indexOf(newline, begin)) {
      const part = chunk.subarray(begin, end);
      if (pendingBytes + part.length > sink.limits.recordBytes) return undefined;
      onLine(pendingBytes === 0 ? part : Buffer.concat([...pending, part]));
      pending = [];
      pendingBytes = 0;
      begin = end + 1;
    }
    if (!sink.open) return Buffer.alloc(0);
    pending.push(chunk.subarray(begin));
    pendingBytes += chunk.length - begin;
    if (pendingBytes > sink.limits.recordBytes) return undefined;
  }
  return Buffer.concat(pending);
}
