/** Arrow's types as pyarrow and datasets write them: converts their raw values, and reads the schema that Parquet files keep. */
import { type DataType, type Field, tableFromIPC } from '@uwdata/flechette';
import {
  dateText,
  decimalText,
  durationText,
  exactInteger,
  type TimeUnit,
  timestampText,
  timeText,
} from './exact-values.js';

/** Arrow's numbers of its types, of those that are not read as they are. */
export const arrowType = {
  dictionary: -1,
  integer: 2,
  binary: 4,
  utf8: 5,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  interval: 11,
  list: 12,
  struct: 13,
  fixedBinary: 15,
  fixedList: 16,
  map: 17,
  duration: 18,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
} as const;

/** The fields of a type that a conversion needs; which of them are there depends on the type. */
export interface ArrowType {
  readonly typeId: number;
  readonly unit?: number;
  readonly scale?: number;
  readonly timezone?: string | null;
  readonly stride?: number;
  readonly children?: readonly Field[];
  readonly dictionary?: DataType;
}

const units: readonly TimeUnit[] = ['SECOND', 'MILLIS', 'MICROS', 'NANOS'];
const unitOf = ({ unit = 0 }: ArrowType): TimeUnit => units[unit] ?? 'SECOND';

const millisecondsPerDay = 86_400_000;

/** Converts a value as the library reads it with whole numbers as bigint: a day is its milliseconds. */
export function exactArrowValue(type: ArrowType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  const whole = (): bigint => BigInt(value as number | bigint);
  switch (type.typeId) {
    case arrowType.decimal:
      return decimalText(whole(), type.scale ?? 0);
    case arrowType.date:
      return dateText(BigInt(Math.floor(Number(value) / millisecondsPerDay)));
    case arrowType.time:
      return timeText(whole(), unitOf(type));
    case arrowType.timestamp:
      return timestampText(whole(), unitOf(type), type.timezone ?? undefined);
    case arrowType.duration:
      return durationText(whole(), unitOf(type));
    default:
      return typeof value === 'bigint' ? exactInteger(value) : value;
  }
}

/** Reads the fields of the Arrow schema that pyarrow keeps in a Parquet file; none where the file has no such schema. */
export function readArrowFields(encoded: string | undefined): readonly Field[] {
  if (encoded === undefined) return [];
  try {
    return tableFromIPC(Buffer.from(encoded, 'base64')).schema.fields;
  } catch {
    // It only adds zones and durations to the file's own schema.
    return [];
  }
}
