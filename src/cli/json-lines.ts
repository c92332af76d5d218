/** Reads one JSON object per line; an invalid line is an error that names file and line. */
import { readBytes, readStream, UnreadableFile } from '../data/bytes.js';
import { isRecord, tryParse } from '../data/jsonl.js';
import { defaultLimits } from '../data/limits.js';
import { LongLine, splitLines } from '../data/split-lines.js';
import { UsageError } from '../errors.js';
import { isTooDeep } from '../nesting.js';

export interface JsonLine {
  /** Numbers that JavaScript would change are `ExactNumber`. */
  readonly value: Readonly<Record<string, unknown>>;
  /** `file:line`, counted from 1. */
  readonly place: string;
}

const { recordBytes, depth } = defaultLimits;

function parseLine(text: string, place: string): JsonLine {
  const refuse = (reason: string): UsageError => new UsageError(`${place}: ${reason}`, { place });
  const value = tryParse(text);
  if (value instanceof Error) throw refuse(value.message);
  if (!isRecord(value)) throw refuse('a line must be one JSON object');
  if (isTooDeep(value, depth)) throw refuse(`containers are nested more than ${depth} deep`);
  return { value, place };
}

/** Splits the file, or standard input for `-`, into lines. @throws UsageError that names the file or the line. */
async function* readByteLines(file: string): AsyncGenerator<readonly Buffer[]> {
  const input = file === '-' ? readStream(process.stdin as AsyncIterable<Buffer>) : readBytes(file);
  try {
    yield* splitLines(input, recordBytes);
  } catch (error) {
    if (error instanceof LongLine) {
      const place = `${file}:${error.line}`;
      throw new UsageError(`${place}: the line is longer than ${recordBytes} bytes`, { place });
    }
    const { message, hint } = error as UnreadableFile;
    const reason = error instanceof UnreadableFile ? message : `cannot be read (${message})`;
    throw new UsageError(`${file}: ${reason}${hint === undefined ? '' : `: ${hint}`}`, { file });
  }
}

/** Reads the lines of `file`, or of standard input for `-`; skips empty lines. @throws UsageError that names the line. */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  let number = 0;
  for await (const lines of readByteLines(file)) {
    for (const bytes of lines) {
      const place = `${file}:${++number}`;
      const text = tryDecode(bytes);
      if (text === undefined) throw new UsageError(`${place}: it is not valid UTF-8`, { place });
      if (text.trim() !== '') yield parseLine(text, place);
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function tryDecode(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Reads the text under `key`. @throws UsageError when it is missing or not a text. */
export function readText({ value, place }: JsonLine, key: string): string {
  const text = value[key];
  if (typeof text === 'string') return text;
  throw new UsageError(`${place}: \`${key}\` must be a text`, { place, key });
}

const largestId = 0x7fffffff;

/** Reads the token ids under `key`; undefined when the key is absent. @throws UsageError when they are not ids. */
export function readTokens({ value, place }: JsonLine, key: string): Int32Array | undefined {
  const tokens = value[key];
  if (tokens === undefined) return undefined;
  const valid =
    Array.isArray(tokens) && tokens.every((token) => Number.isInteger(token) && token >= 0 && token <= largestId);
  if (valid && tokens.length > 0) return Int32Array.from(tokens as number[]);
  throw new UsageError(`${place}: \`${key}\` must be a list of token ids`, { place, key });
}

/** Groups consecutive items into lists of at most `size`. */
export async function* inChunks<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let chunk: Item[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
