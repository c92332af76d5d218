/** Converts the physical values of Parquet's columns by their types. */
import type { SchemaElement } from 'hyparquet';
import { parseFloat16 } from 'hyparquet/src/convert.js';
import { parseExact, plainNumbers } from '../exact-json.js';
import { type ArrowType, arrowType, exactArrowValue } from './arrow-types.js';
import { dateText, decimalText, exactInteger, type TimeUnit, timestampText, timeText } from './exact-values.js';

/** Converts a value that is not null, as the library reads it. */
export type ExactLeaf = (value: unknown) => unknown;

/** Reads a signed integer from bytes, the highest first. */
function readSigned(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

const toWhole = (value: unknown): bigint =>
  value instanceof Uint8Array ? readSigned(value) : BigInt(value as number | bigint);

const exactWhole: ExactLeaf = (value) => (typeof value === 'bigint' ? exactInteger(value) : value);

function readUuid(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const hex = Buffer.from(value).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

interface ClockType {
  readonly kind: 'TIME' | 'TIMESTAMP';
  readonly unit: TimeUnit;
  readonly isUtc: boolean;
}

const convertedClocks: Readonly<Record<string, ClockType>> = {
  TIME_MILLIS: { kind: 'TIME', unit: 'MILLIS', isUtc: false },
  TIME_MICROS: { kind: 'TIME', unit: 'MICROS', isUtc: false },
  TIMESTAMP_MILLIS: { kind: 'TIMESTAMP', unit: 'MILLIS', isUtc: true },
  TIMESTAMP_MICROS: { kind: 'TIMESTAMP', unit: 'MICROS', isUtc: true },
};

/** The type of a time or a timestamp; the older notation cannot say that it has no zone, and pyarrow reads UTC. */
function clockType({ type, converted_type: converted, logical_type: logical }: SchemaElement): ClockType | undefined {
  if (logical?.type === 'TIME' || logical?.type === 'TIMESTAMP') {
    return { kind: logical.type, unit: logical.unit, isUtc: logical.isAdjustedToUTC };
  }
  // The library has made nanoseconds since 1970 of it.
  if (type === 'INT96') return { kind: 'TIMESTAMP', unit: 'NANOS', isUtc: false };
  return convertedClocks[converted ?? ''];
}

function clockLeaf({ kind, unit, isUtc }: ClockType, hint: ArrowType | undefined): ExactLeaf {
  if (kind === 'TIME') return (value) => timeText(toWhole(value), unit);
  const zone = isUtc ? (hint?.timezone ?? 'UTC') : undefined;
  return (value) => timestampText(toWhole(value), unit, zone);
}

function unsignedBits({ converted_type: converted, logical_type: logical }: SchemaElement): number | undefined {
  if (logical?.type === 'INTEGER') return logical.isSigned ? undefined : logical.bitWidth;
  const [, bits] = /^UINT_(\d+)$/.exec(converted ?? '') ?? [];
  return bits === undefined ? undefined : Number(bits);
}

function readJson(value: unknown): unknown {
  return typeof value === 'string' ? plainNumbers(parseExact(value)) : value;
}

/** Finds the conversion of a column. `hint` is its type in Arrow's schema, which alone has zones and durations. */
export function parquetLeaf(element: SchemaElement, hint: ArrowType | undefined): ExactLeaf {
  const { type, converted_type: converted, logical_type: logical, scale = 0 } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const places = logical?.type === 'DECIMAL' ? logical.scale : scale;
    return (value) => decimalText(toWhole(value), places ?? 0);
  }
  if (converted === 'DATE' || logical?.type === 'DATE') return (value) => dateText(toWhole(value));
  const clock = clockType(element);
  if (clock !== undefined) return clockLeaf(clock, hint);
  if (converted === 'JSON' || logical?.type === 'JSON') return readJson;
  if (logical?.type === 'UUID') return readUuid;
  if (logical?.type === 'FLOAT16') return (value) => parseFloat16(value as Uint8Array);
  if (hint?.typeId === arrowType.duration && type === 'INT64') return (value) => exactArrowValue(hint, value);
  const bits = unsignedBits(element);
  if (bits === undefined) return exactWhole;
  return (value) => exactInteger(BigInt.asUintN(bits, BigInt(value as number | bigint)));
}
