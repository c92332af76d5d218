/** TensorBoard's event files: equal to those of its protocol buffers byte for byte, and a later file for a resumed run. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Disk, realDisk } from '../../src/disk/disk.js';
import {
  crc32c,
  openEvents,
  scalarsEvent,
  startEvent,
  tfRecord,
  toScalars,
  versionEvent,
} from '../../src/run/tensorboard.js';
import { readGolden, temporaryFolder } from '../golden/support.js';

interface Golden {
  readonly version: { readonly seconds: number; readonly record: string };
  readonly starts: readonly { readonly seconds: number; readonly step: number; readonly record: string }[];
  readonly scalars: readonly {
    readonly seconds: number;
    readonly step: number;
    readonly values: Readonly<Record<string, number | string>>;
    readonly record: string;
  }[];
}

const golden = readGolden<Golden>('tensorboard.json');
const hex = (event: Uint8Array): string => tfRecord(event).toString('hex');
const numberOf = (value: number | string): number => Number(value === 'inf' ? Infinity : value);

describe('records', () => {
  test('have the checksum CRC-32C (RFC 3720, B.4)', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  test('begin a file as TensorBoard does', () => {
    const { seconds, record } = golden.version;
    expect(hex(versionEvent(seconds))).toBe(record);
  });

  test.each(golden.starts)('start a session at step $step as TensorBoard does', ({ seconds, step, record }) => {
    expect(hex(startEvent(seconds, step))).toBe(record);
  });

  test.each(golden.scalars)(
    'hold the scalars of step $step as TensorBoard writes them',
    ({ seconds, step, values, record }) => {
      const numbers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, numberOf(value)]));
      expect(hex(scalarsEvent(seconds, step, numbers))).toBe(record);
    },
  );
});

test('scalars have the names of transformers', () => {
  const row = { update: 3, reward: 1, eval_reward: 2, 'eval_completions/mean_length': 3, 'eval/quality_4': 4 };
  expect(toScalars(row)).toEqual({
    'train/reward': 1,
    'eval/reward': 2,
    'eval/completions/mean_length': 3,
    'eval/quality_4': 4,
  });
});

const eventFiles = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith('events.out.tfevents.')).sort();

describe('a file of events', () => {
  const clock = (): number => 1764072000_250;

  test('holds a version and one event per update', async () => {
    const folder = temporaryFolder();
    const events = await openEvents({ disk: realDisk, folder, clock });
    await events.append({ update: 1, reward: 0.5 });
    const [name = ''] = await eventFiles(folder);
    expect(name).toMatch(/^events\.out\.tfevents\.1764072000\./);
    const expected = [versionEvent(1764072000.25), scalarsEvent(1764072000.25, 1, { 'train/reward': 0.5 })];
    expect(await readFile(join(folder, name))).toEqual(Buffer.concat(expected.map(tfRecord)));
    await events.append({ update: 2, reward: 0.75 });
    expect((await readFile(join(folder, name))).length).toBeGreaterThan(Buffer.concat(expected.map(tfRecord)).length);
  });

  test('of a resumed run is a new one, later in order, that voids the events after the checkpoint', async () => {
    const folder = temporaryFolder();
    for (const after of [undefined, 4, 4]) await openEvents({ disk: realDisk, folder, after, clock });
    const names = await eventFiles(folder);
    expect(names.map((name) => name.split('.')[3])).toEqual(['1764072000', '1764072001', '1764072002']);
    const last = await readFile(join(folder, names[2] ?? ''));
    expect(last).toEqual(Buffer.concat([versionEvent(1764072000.25), startEvent(1764072000.25, 5)].map(tfRecord)));
  });

  test('drops half a record that a full disk took before it appends the next', async () => {
    const folder = temporaryFolder();
    let full = false;
    const append: Disk['append'] = async (path, bytes) => {
      await realDisk.append(path, full ? bytes.subarray(0, 9) : bytes);
      if (full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    };
    const events = await openEvents({ disk: { ...realDisk, append }, folder, clock });
    full = true;
    await expect(events.append({ update: 1, reward: 1 })).rejects.toThrow(/space/);
    full = false;
    await events.append({ update: 1, reward: 1 });
    const [name = ''] = await eventFiles(folder);
    const whole = await readFile(join(folder, name));
    const expected = [versionEvent(1764072000.25), scalarsEvent(1764072000.25, 1, { 'train/reward': 1 })];
    expect(whole).toEqual(Buffer.concat(expected.map(tfRecord)));
  });
});
