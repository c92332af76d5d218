/** Converts Parquet's values to those of JSON: integers that are exact, dates as text, bytes as UTF-8 text. */
import type { RowSink } from './sink.js';

export class InvalidText extends Error {}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8; returns invalid bytes as they are, so that `plainValue` can report their row. */
export function textFromBytes(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  if (bytes === undefined || bytes === null) return bytes;
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes;
  }
}

/** Converts an integer; one too large for a JavaScript number becomes its digits. */
function toNumber(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/**
 * Copies the value. A text counts once per occurrence, because one text of a dictionary may be repeated by a million
 * rows.
 * @throws InvalidText for bytes that are not UTF-8, RangeError for containers nested too deep.
 */
export function plainValue(value: unknown, sink: Pick<RowSink, 'count' | 'limits'>, depth = 0): unknown {
  if (typeof value === 'string') {
    sink.count(value.length);
    return value;
  }
  if (typeof value === 'bigint') return toNumber(value);
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) {
    const text = textFromBytes(value);
    if (typeof text !== 'string') throw new InvalidText();
    return plainValue(text, sink, depth);
  }
  if (depth > sink.limits.depth) throw new RangeError(`containers are nested more than ${sink.limits.depth} deep`);
  if (ArrayBuffer.isView(value))
    return Array.from(value as unknown as ArrayLike<unknown>, (one) => plainValue(one, sink));
  if (Array.isArray(value)) return value.map((one) => plainValue(one, sink, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, plainValue(child, sink, depth + 1)]));
}
