/**
 * A run's metrics for TensorBoard. Each start writes a file of its own; a resumed run's begins with the step from which
 * what earlier files hold is void, TensorBoard's own way of going on: no update shows twice, and nothing is rewritten.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Disk } from './disk.js';
import { onDisk } from './disk-errors.js';
import type { MetricsRow } from './metrics.js';
import { scalarsEvent, scalarsOf, startEvent, versionEvent } from './tensorboard.js';
import { tfRecord } from './tf-record.js';

export interface EventFile {
  append(row: MetricsRow): Promise<void>;
  /** After this, every event is on the disk. */
  flush(): Promise<void>;
}

export interface EventFileOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** Of a resumed run: the last update that earlier files rightly hold. */
  readonly after?: number | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

const prefix = 'events.out.tfevents.';

/** TensorBoard reads files in the order of their names: each is later than those before it, whatever the clock says. */
async function freeName({ disk, folder }: EventFileOptions, seconds: number): Promise<string> {
  const names = (await disk.list(folder)).filter((name) => name.startsWith(prefix));
  const taken = names.map((name) => Number.parseInt(name.slice(prefix.length), 10)).filter(Number.isFinite);
  const begun = taken.reduce((latest, one) => Math.max(latest, one + 1), Math.floor(seconds));
  return `${prefix}${String(begun).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
}

export async function openEvents(options: EventFileOptions): Promise<EventFile> {
  const { disk, folder, after, clock = () => performance.timeOrigin + performance.now() } = options;
  const seconds = (): number => clock() / 1000;
  const path = join(folder, await onDisk(folder, () => freeName(options, seconds())));
  const began = seconds();
  const head = [versionEvent(began), ...(after === undefined ? [] : [startEvent(began, after + 1)])];
  let size = 0;
  /** A full disk may have taken half a record, behind which no reader finds the next one. */
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
    append: (row) => write([scalarsEvent(seconds(), row.update, scalarsOf(row))]),
    flush: () => onDisk(path, () => disk.flush(path)),
  };
}
