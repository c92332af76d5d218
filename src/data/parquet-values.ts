/** Copies the values of a Parquet row: exact numbers, bytes as UTF-8 text, objects with the file's names. */
import type { ValueType } from './parquet-schema.js';
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

/** Marks a map's key while the library assigns it: no object has a property of such a name. */
export const keyMark = '\u0000';

type Counter = Pick<RowSink, 'count' | 'limits'>;

/** A text counts once per occurrence, because one text of a dictionary may be repeated by a million rows. */
export function plainText(value: string | Uint8Array, sink: Counter): string {
  const text = typeof value === 'string' ? value : textFromBytes(value);
  if (typeof text !== 'string') throw new InvalidText();
  sink.count(text.length);
  return text;
}

const fieldOf = (value: unknown, key: string): unknown => (value as Readonly<Record<string, unknown>>)[key];

const asList = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : Array.from(value as ArrayLike<unknown>);

/**
 * Copies a value of this type.
 * @throws InvalidText for bytes that are not UTF-8, RangeError for containers nested too deep.
 */
export function plainValue(type: ValueType, value: unknown, sink: Counter, depth = 0): unknown {
  if (value === undefined || value === null) return null;
  if (depth > sink.limits.depth) throw new RangeError(`containers are nested more than ${sink.limits.depth} deep`);
  const inner = (child: ValueType, one: unknown): unknown => plainValue(child, one, sink, depth + 1);
  switch (type.kind) {
    case 'leaf': {
      const exact = type.exact(value);
      if (typeof exact === 'string' || exact instanceof Uint8Array) return plainText(exact, sink);
      return exact;
    }
    case 'list':
      return asList(type.within ? (fieldOf(value, type.within) ?? []) : value).map((one) => inner(type.element, one));
    case 'map': {
      const entries = Object.entries(value).map(([key, one]) => [key.slice(keyMark.length), inner(type.value, one)]);
      return Object.fromEntries(entries);
    }
    case 'struct': {
      const fields = type.fields.map(({ name, key, type: child }) => [name, inner(child, fieldOf(value, key))]);
      return Object.fromEntries(fields);
    }
    default:
      return type satisfies never;
  }
}
