/**
 * Events in TensorBoard's protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto): the version of a
 * file, the start of a session, scalars of a step. A field is its number and wire type, then its value.
 */
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

/** Event: wall_time = 1 in seconds, step = 2 (left out where it is 0), and one of the fields below. */
function event(seconds: number, step: number, what: Buffer): Buffer {
  return Buffer.concat([double(1, seconds), ...(step > 0 ? [whole(2, step)] : []), what]);
}

/** What every file begins with: file_version = 3. */
export const versionEvent = (seconds: number): Buffer => event(seconds, 0, text(3, 'brain.Event:2'));

/** session_log = 7, status = 1, START = 1: events of `step` and later that an earlier file holds are void. */
export const startEvent = (seconds: number, step: number): Buffer => event(seconds, step, nested(7, whole(1, 1)));

/** summary = 5, of values = 1 with tag = 1 and simple_value = 2. */
export function scalarsEvent(seconds: number, step: number, scalars: Readonly<Record<string, number>>): Buffer {
  const values = Object.entries(scalars).map(([name, value]) => nested(1, text(1, name), float(2, value)));
  return event(seconds, step, nested(5, ...values));
}

/**
 * Names as transformers' TensorBoardCallback gives them: `eval_reward` is `eval/reward`, all else stands under `train/`; but
 * `eval/…`, our K-step evaluation, stays. The update is the step.
 */
export function scalarsOf({ update: _, ...metrics }: MetricsRow): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]): [string, number] => {
    if (name.startsWith('eval_')) return [`eval/${name.slice('eval_'.length)}`, value];
    return [name.startsWith('eval/') ? name : `train/${name}`, value];
  });
  return Object.fromEntries(named);
}
