/** Reads one JSON object per line; an invalid line is an error that names file and line. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { defaultLimits } from '../data/limits.js';
import { UsageError } from '../errors.js';
import { isTooDeep } from '../nesting.js';

export interface JsonLine {
  readonly value: Readonly<Record<string, unknown>>;
  /** `file:line`, counted from 1. */
  readonly place: string;
}

const { recordBytes, depth } = defaultLimits;

function parseLine(text: string, place: string): JsonLine {
  const refuse = (reason: string): UsageError => new UsageError(`${place}: ${reason}`, { place });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('a line must be one JSON object');
  if (isTooDeep(value, depth)) throw refuse(`containers are nested more than ${depth} deep`);
  return { value: value as Record<string, unknown>, place };
}

const newline = 0x0a;

/** Splits a stream into lines as bytes; throws at one longer than `recordBytes`. */
async function* splitLines(
  input: AsyncIterable<Buffer>,
  tooLong: (line: number) => UsageError,
): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let length = 0;
  let line = 1;
  for await (const chunk of input) {
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      if (length + end - begin > recordBytes) throw tooLong(line);
      yield Buffer.concat([...pending, chunk.subarray(begin, end)]);
      pending = [];
      length = 0;
      line += 1;
      begin = end + 1;
    }
    pending.push(chunk.subarray(begin));
    length += chunk.length - begin;
    if (length > recordBytes) throw tooLong(line);
  }
  yield Buffer.concat(pending);
}

/** Converts errors of the stream to a UsageError that names the file. */
async function* readBytes(file: string, input: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield chunk as Buffer;
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${(error as Error).message})`, { file });
  }
}

/** Reads the lines of `file`, or of standard input for `-`; skips empty lines. @throws UsageError that names the line. */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let number = 0;
  const refuse = (line: number, reason: string): UsageError => {
    const place = `${file}:${line}`;
    return new UsageError(`${place}: ${reason}`, { place });
  };
  const tooLong = (line: number): UsageError => refuse(line, `the line is longer than ${recordBytes} bytes`);
  for await (const bytes of splitLines(readBytes(file, input), tooLong)) {
    number += 1;
    const text = tryDecode(bytes);
    if (text === undefined) throw refuse(number, 'it is not valid UTF-8');
    if (text.trim() !== '') yield parseLine(text, `${file}:${number}`);
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
