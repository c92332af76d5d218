/** Splits bytes into lines in constant memory. A line ends at `\n`, `\r\n` or `\r`, as Python's universal newlines have it. */

const newline = 0x0a;
const carriageReturn = 0x0d;

/** A line is longer than the limit. */
export class LongLine extends Error {
  constructor(
    /** The line, from 1. */
    readonly line: number,
  ) {
    super(`line ${line} is too long`);
  }
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

/** Yields the lines that each chunk completes, without their ends. @throws LongLine for one of more than `most` bytes. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, most: number): AsyncGenerator<readonly Buffer[]> {
  let pending: Buffer[] = [];
  let length = 0;
  let count = 0;
  for await (const chunk of chunks) {
    const lines: Buffer[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      if (length + end - begin > most) throw new LongLine(count + lines.length + 1);
      const part = chunk.subarray(begin, end);
      lines.push(...splitAtReturns(length === 0 ? part : Buffer.concat([...pending, part])));
      pending = [];
      length = 0;
      begin = end + 1;
    }
    pending.push(chunk.subarray(begin));
    length += chunk.length - begin;
    if (length > most) throw new LongLine(count + lines.length + 1);
    count += lines.length;
    yield lines;
  }
  yield length === 0 ? [] : splitAtReturns(Buffer.concat(pending));
}
