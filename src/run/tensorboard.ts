/**
 * Writes events in TensorBoard's protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto): the version
 * of a file, the start of a session, the scalars of a step. A field is its number and wire type, then its value.
 */

import { hostname } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Disk, onDisk } from '../disk/disk.js';
import type { MetricsRow } from './metrics.js';

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const tag = (field: number, type: number): Buffer => Buffer.from(varint(field * 8 + type));

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, wire.fixed64), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, wire.fixed32), bytes]);
}

const whole = (field: number, value: number): Buffer =>
  Buffer.concat([tag(field, wire.varint), Buffer.from(varint(value))]);

function nested(field: number, ...parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([tag(field, wire.bytes), Buffer.from(varint(bytes.length)), bytes]);
}

const text = (field: number, value: string): Buffer => nested(field, Buffer.from(value));

/** Event: wall_time = 1 in seconds, step = 2 (omitted where it is 0), and one of the fields below. */
function event(seconds: number, step: number, field: Buffer): Buffer {
  return Buffer.concat([double(1, seconds), ...(step > 0 ? [whole(2, step)] : []), field]);
}

/** The first event of every file: file_version = 3. */
export const versionEvent = (seconds: number): Buffer => event(seconds, 0, text(3, 'brain.Event:2'));

/** session_log = 7, status = 1, START = 1: voids the events of `step` and later in earlier files. */
export const startEvent = (seconds: number, step: number): Buffer => event(seconds, step, nested(7, whole(1, 1)));

/** summary = 5, of values = 1 with tag = 1 and simple_value = 2. */
export function scalarsEvent(seconds: number, step: number, scalars: Readonly<Record<string, number>>): Buffer {
  const values = Object.entries(scalars).map(([name, value]) => nested(1, text(1, name), float(2, value)));
  return event(seconds, step, nested(5, ...values));
}

/**
 * Names the scalars as transformers' TensorBoardCallback does: `eval_reward` becomes `eval/reward`, other metrics get the
 * prefix `train/`, and `eval/…` of the K-step evaluation keeps its name. The update is the step.
 */
export function toScalars({ update: _, ...metrics }: MetricsRow): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]): [string, number] => {
    if (name.startsWith('eval_')) return [`eval/${name.slice('eval_'.length)}`, value];
    return [name.startsWith('eval/') ? name : `train/${name}`, value];
  });
  return Object.fromEntries(named);
}

// Every start of a run writes a new event file. The file of a resumed run voids the later steps of earlier files, as
// TensorBoard expects: no update shows twice, and no file is rewritten.

export interface EventFile {
  append(row: MetricsRow): Promise<void>;
  /** Makes every event durable. */
  flush(): Promise<void>;
}

export interface EventFileOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** For a resumed run, the last update of earlier files that stays valid. */
  readonly after?: number | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

const prefix = 'events.out.tfevents.';

/** Names a new file later than the existing ones, because TensorBoard reads files in the order of their names. */
async function freeName({ disk, folder }: EventFileOptions, seconds: number): Promise<string> {
  const names = (await disk.list(folder)).filter((name) => name.startsWith(prefix));
  const used = names.map((name) => Number.parseInt(name.slice(prefix.length), 10)).filter(Number.isFinite);
  const time = used.reduce((latest, one) => Math.max(latest, one + 1), Math.floor(seconds));
  return `${prefix}${String(time).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
}

export async function openEvents(options: EventFileOptions): Promise<EventFile> {
  const { disk, folder, after, clock = () => performance.timeOrigin + performance.now() } = options;
  const seconds = (): number => clock() / 1000;
  const path = join(folder, await onDisk(folder, () => freeName(options, seconds())));
  const began = seconds();
  const head = [versionEvent(began), ...(after === undefined ? [] : [startEvent(began, after + 1)])];
  let size = 0;
  /** True while a failed append may have left half a record, after which no reader finds the next one. */
  let torn = false;
  const write = (events: readonly Buffer[]): Promise<void> =>
    onDisk(path, async () => {
      const bytes = Buffer.concat(events.map(tfRecord));
      if (torn) await disk.truncate(path, size);
      torn = true;
      await disk.append(path, bytes);
      torn = false;
      size += bytes.length;
    });
  await write(head);
  return {
    append: (row) => write([scalarsEvent(seconds(), row.update, toScalars(row))]),
    flush: () => onDisk(path, () => disk.flush(path)),
  };
}

// TFRecord framing: length, its checksum, data, its checksum.

/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) of each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Masks a checksum: rotates it right by 15 and adds 0xa282ead8, because a CRC over data that holds CRCs is weak. */
const maskCrc = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

export function tfRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskCrc(crc32c(record.subarray(0, 8))), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskCrc(crc32c(data)), 12 + data.length);
  return record;
}
