/** Reads one JSON object a line; a bad line is an error that names file and line. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { UsageError } from '../errors.js';

export interface JsonLine {
  readonly value: Readonly<Record<string, unknown>>;
  /** `file:line`, counted from 1. */
  readonly place: string;
}

function parseLine(text: string, place: string): JsonLine {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { value: value as Record<string, unknown>, place };
    }
  } catch (error) {
    throw new UsageError(`${place}: ${(error as Error).message}`, { place });
  }
  throw new UsageError(`${place}: a line is one JSON object`, { place });
}

/** Lines of `file`, or of standard input for `-`; empty lines are skipped. */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  const failed = new Promise<never>((_, reject) => {
    input.once('error', (error: Error) =>
      reject(new UsageError(`${file}: cannot be read (${error.message})`, { file })),
    );
  });
  failed.catch(() => {});
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (let number = 1; ; number++) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done) return;
    if (next.value.trim() !== '') yield parseLine(next.value, `${file}:${number}`);
  }
}

/** The text under `key`. */
export function textOf({ value, place }: JsonLine, key: string): string {
  const text = value[key];
  if (typeof text === 'string') return text;
  throw new UsageError(`${place}: \`${key}\` must be a text`, { place, key });
}

/** The token ids under `key`; undefined when the key is absent. */
export function tokensOf({ value, place }: JsonLine, key: string): Int32Array | undefined {
  const tokens = value[key];
  if (tokens === undefined) return undefined;
  const valid = Array.isArray(tokens) && tokens.every((token) => Number.isInteger(token) && token >= 0);
  if (valid && tokens.length > 0) return Int32Array.from(tokens as number[]);
  throw new UsageError(`${place}: \`${key}\` must be a list of token ids`, { place, key });
}

/** Consecutive items in lists of at most `size`. */
export async function* chunksOf<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let chunk: Item[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
