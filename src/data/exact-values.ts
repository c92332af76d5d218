/**
 * The text of values that JavaScript has no type for, as Python prints those of pyarrow: decimals, dates, times and
 * timestamps. All of them are whole numbers in the file, so nothing is rounded.
 */

/** An integer: a number where JavaScript holds it exactly, else its digits. */
export function exactInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** The text of `unscaled · 10^−scale` as Python's Decimal prints it: with an exponent below a millionth. */
export function decimalText(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString();
  if (scale === 0) return sign + digits;
  const power = digits.length - 1 - scale;
  if (scale > 0 && power >= -6) {
    const padded = digits.padStart(scale + 1, '0');
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  }
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${sign}${digits[0]}${fraction}E${power < 0 ? '' : '+'}${power}`;
}

const pad = (value: bigint | number, length: number): string => String(value).padStart(length, '0');

/** Days of 400 years of the Gregorian calendar, and from March 1 of year 0 to 1970. */
const era = 146_097n;
const daysBefore1970 = 719_468n;

const floorDivide = (left: bigint, right: bigint): bigint => (left - (((left % right) + right) % right)) / right;

/** The date so many days after 1970-01-01, `2024-02-29`. A year beyond 9999, which Python cannot hold, has more digits. */
export function dateText(days: bigint): string {
  const shifted = days + daysBefore1970;
  const eras = floorDivide(shifted, era);
  const dayOfEra = shifted - eras * era;
  const yearOfEra = (dayOfEra - dayOfEra / 1460n + dayOfEra / 36524n - dayOfEra / 146_096n) / 365n;
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const shiftedMonth = (5n * dayOfYear + 2n) / 153n;
  const day = dayOfYear - (153n * shiftedMonth + 2n) / 5n + 1n;
  const month = shiftedMonth < 10n ? shiftedMonth + 3n : shiftedMonth - 9n;
  const year = yearOfEra + eras * 400n + (month <= 2n ? 1n : 0n);
  const sign = year < 0n ? '-' : '';
  return `${sign}${pad(year < 0n ? -year : year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}

/** Units of time by their number in a second. */
export const unitsPerSecond = { SECOND: 1n, MILLIS: 1_000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n } as const;
export type TimeUnit = keyof typeof unitsPerSecond;

const nanosPerSecond = unitsPerSecond.NANOS;
const secondsPerDay = 86_400n;

/** The fraction of a second: none, six digits, or nine where it has nanoseconds. */
function fractionText(nanos: bigint): string {
  if (nanos === 0n) return '';
  return nanos % 1000n === 0n ? `.${pad(nanos / 1000n, 6)}` : `.${pad(nanos, 9)}`;
}

const clockText = (seconds: bigint): string =>
  `${pad(seconds / 3600n, 2)}:${pad((seconds / 60n) % 60n, 2)}:${pad(seconds % 60n, 2)}`;

/** Splits units into whole seconds and the nanoseconds after them. */
function splitUnits(value: bigint, unit: TimeUnit): [seconds: bigint, nanos: bigint] {
  const units = unitsPerSecond[unit];
  const seconds = floorDivide(value, units);
  return [seconds, (value - seconds * units) * (nanosPerSecond / units)];
}

/** The time of day, `12:34:56.000789`. */
export function timeText(value: bigint, unit: TimeUnit): string {
  const [seconds, nanos] = splitUnits(value, unit);
  return clockText(seconds) + fractionText(nanos);
}

/** A span of time as Python's timedelta prints it, `-1 day, 23:59:59.500000`. */
export function durationText(value: bigint, unit: TimeUnit): string {
  const [seconds, nanos] = splitUnits(value, unit);
  const days = floorDivide(seconds, secondsPerDay);
  const rest = seconds - days * secondsPerDay;
  const count = days === 0n ? '' : `${days} day${days === 1n || days === -1n ? '' : 's'}, `;
  return `${count}${rest / 3600n}:${clockText(rest).split(':').slice(1).join(':')}${fractionText(nanos)}`;
}

/** A formatter for each zone: making one takes as long as a thousand uses. */
const formatters = new Map<string, Intl.DateTimeFormat>();

/** Seconds that the zone's clocks are ahead of UTC at an instant. @throws RangeError for an unknown zone. */
function zoneOffset(zone: string, seconds: bigint): bigint {
  const fixed = /^([+-])(\d\d):?(\d\d)$/.exec(zone);
  if (fixed) return offsetSeconds(fixed[1], fixed[2], fixed[3]);
  const known = formatters.get(zone);
  const formatter = known ?? new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  formatters.set(zone, formatter);
  const parts = formatter.formatToParts(Number(seconds) * 1000);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes, rest] = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name) ?? [];
  return offsetSeconds(sign, hours, minutes, rest);
}

function offsetSeconds(sign = '+', hours = '0', minutes = '0', seconds = '0'): bigint {
  const total = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds);
  return sign === '-' ? -total : total;
}

function offsetText(offset: bigint): string {
  const clock = clockText(offset < 0n ? -offset : offset);
  return `${offset < 0n ? '-' : '+'}${clock.replace(/:00$/, '')}`;
}

/**
 * The instant so many units after 1970, `2024-01-02 03:04:05.678901`; with a zone its clocks' time and their offset,
 * `2024-01-02 04:04:05.678901+01:00`.
 */
export function timestampText(value: bigint, unit: TimeUnit, zone?: string): string {
  const [instant, nanos] = splitUnits(value, unit);
  const offset = zone === undefined || zone === 'UTC' ? 0n : zoneOffset(zone, instant);
  const seconds = instant + offset;
  const days = floorDivide(seconds, secondsPerDay);
  const clock = clockText(seconds - days * secondsPerDay);
  const suffix = zone === undefined ? '' : offsetText(offset);
  return `${dateText(days)} ${clock}${fractionText(nanos)}${suffix}`;
}
