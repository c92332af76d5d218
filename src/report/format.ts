/** Formats numbers for people. A value that is not finite is shown as a dash: absent, never zero. */

/** Shown for a value that is missing or not finite. */
export const absent = '–';

/** Uses the minus sign, which is as wide as a digit; avoids `-0.0`. */
const withMinus = (text: string) => (/^-0(\.0*)?$/.test(text) ? text.slice(1) : text.replace('-', '−'));

/** Formats with a fixed number of decimals: `fixed(0.5, 2)` is `0.50`. */
export function fixed(value: number | undefined, decimals: number): string {
  return value === undefined || !Number.isFinite(value) ? absent : withMinus(value.toFixed(decimals));
}

/** Like `fixed`, with a plus sign unless the value is negative. */
export function signed(value: number | undefined, decimals: number): string {
  const text = fixed(value, decimals);
  return text === absent || text.startsWith('−') ? text : `+${text}`;
}

/** Formats a share in [0, 1] as percent without the sign: `percent(0.0625)` is `6.3`. */
export function percent(share: number | undefined, decimals = 1): string {
  return share === undefined ? absent : fixed(share * 100, decimals);
}

/** Formats about three significant digits, for axes and live tables: `21.3k`, `0.0417`, `1.2e−5`. */
export function compact(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return absent;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e9 || size < 1e-3) return withMinus(value.toExponential(1)).replace('e-', 'e−').replace('e+', 'e');
  if (size >= 1e6) return `${withMinus((value / 1e6).toFixed(1))}M`;
  if (size >= 1e4) return `${withMinus((value / 1e3).toFixed(1))}k`;
  return withMinus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4));
}

/** Formats a whole number with thousands separators: `20,000`. */
export function whole(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return absent;
  return withMinus(Math.round(value).toString()).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Formats seconds as a clock: `0:42`, `12:05`, `1:02:09`. */
export function clock(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return absent;
  const total = Math.max(0, Math.round(seconds));
  const two = (value: number) => value.toString().padStart(2, '0');
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** Formats a count with its noun: `1 seed`, `5 seeds`. */
export function count(value: number, noun: string): string {
  return `${whole(value)} ${noun}${value === 1 ? '' : 's'}`;
}
