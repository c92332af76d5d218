/** Reads a text file line by line in constant memory; reading stops at a line that is too long. */
import { readBytes, reportUnreadable } from './bytes.js';
import type { RowSink } from './sink.js';
import { LongLine, splitLines } from './split-lines.js';

/** Counts the bytes of a file, and ends with the sink. */
async function* countBytes(file: string, sink: RowSink): AsyncGenerator<Buffer> {
  for await (const chunk of readBytes(file)) {
    sink.count(chunk.length);
    if (!sink.open) return;
    yield chunk;
  }
}

/** Calls `onLine(text, line)` for every line that is valid UTF-8, counted from 1; reports the others as problems. */
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
  const readAll = async (): Promise<void> => {
    for await (const lines of splitLines(countBytes(file, sink), sink.limits.recordBytes)) {
      for (const bytes of lines) {
        if (!sink.open) return;
        line += 1;
        const text = tryDecode(bytes);
        if (text !== undefined) onLine(text, line);
      }
    }
  };
  await reportUnreadable(sink, () => readAll().catch((error: unknown) => reportLong(error, sink)));
}

function reportLong(error: unknown, sink: RowSink): void {
  if (!(error instanceof LongLine)) throw error;
  const longest = `${Math.floor(sink.limits.recordBytes / 2 ** 20)} MiB`;
  sink.problem(`is longer than ${longest}`, `line ${error.line}`, 'write one row per line');
}
