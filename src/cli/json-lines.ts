/** Reads one JSON object a line; a bad line is an error that names file and line. */
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
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('a line is one JSON object');
  if (isTooDeep(value, depth)) throw refuse(`containers are nested more than ${depth} deep`);
  return { value: value as Record<string, unknown>, place };
}

const newline = 0x0a;

/** The lines of a stream as bytes, none longer than a record may be. */
async function* linesOf(input: AsyncIterable<Buffer>, tooLong: (line: number) => UsageError): AsyncGenerator<Buffer> {
  let [pending, length, line]: [Buffer[], number, number] = [[], 0, 1];
  for await (const chunk of input) {
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      if (length + end - begin > recordBytes) throw tooLong(line);
      yield Buffer.concat([...pending, chunk.subarray(begin, end)]);
      [pending, length, line, begin] = [[], 0, line + 1, end + 1];
    }
    pending.push(chunk.subarray(begin));
    length += chunk.length - begin;
    if (length > recordBytes) throw tooLong(line);
  }
  yield Buffer.concat(pending);
}

/** Errors of the stream itself as ours. */
async function* bytesOf(file: string, input: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield chunk as Buffer;
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${(error as Error).message})`, { file });
  }
}

/** Lines of `file`, or of standard input for `-`; empty lines are skipped. */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let number = 0;
  const refuse = (line: number, reason: string): UsageError => {
    const place = `${file}:${line}`;
    return new UsageError(`${place}: ${reason}`, { place });
  };
  const tooLong = (line: number): UsageError => refuse(line, `the line is longer than ${recordBytes} bytes`);
  for await (const bytes of linesOf(bytesOf(file, input), tooLong)) {
    number += 1;
    const text = decoded(bytes);
    if (text === undefined) throw refuse(number, 'it is not valid UTF-8');
    if (text.trim() !== '') yield parseLine(text, `${file}:${number}`);
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function decoded(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The text under `key`. */
export function textOf({ value, place }: JsonLine, key: string): string {
  const text = value[key];
  if (typeof text === 'string') return text;
  throw new UsageError(`${place}: \`${key}\` must be a text`, { place, key });
}

const largestId = 0x7fffffff;

/** The token ids under `key`; undefined when the key is absent. */
export function tokensOf({ value, place }: JsonLine, key: string): Int32Array | undefined {
  const tokens = value[key];
  if (tokens === undefined) return undefined;
  const valid =
    Array.isArray(tokens) && tokens.every((token) => Number.isInteger(token) && token >= 0 && token <= largestId);
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
