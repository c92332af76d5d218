/** Python's strftime in English, for the directives that chat templates use. */

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** @param {number} value @param {number} width */
const padded = (value, width = 2) => String(value).padStart(width, '0');

/** @param {Date} date */
const dayOfYear = (date) => (date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000 + 1;

/** @type {Record<string, (date: Date) => string>} */
const directives = {
  A: (date) => days[date.getUTCDay()] ?? '',
  a: (date) => (days[date.getUTCDay()] ?? '').slice(0, 3),
  B: (date) => months[date.getUTCMonth()] ?? '',
  b: (date) => (months[date.getUTCMonth()] ?? '').slice(0, 3),
  d: (date) => padded(date.getUTCDate()),
  H: (date) => padded(date.getUTCHours()),
  I: (date) => padded(date.getUTCHours() % 12 || 12),
  j: (date) => padded(Math.floor(dayOfYear(date)), 3),
  M: (date) => padded(date.getUTCMinutes()),
  m: (date) => padded(date.getUTCMonth() + 1),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  S: (date) => padded(date.getUTCSeconds()),
  Y: (date) => padded(date.getUTCFullYear(), 4),
  y: (date) => padded(date.getUTCFullYear() % 100),
  '%': () => '%',
};

/**
 * The date in the format; a directive that is not known here is refused, so that no text differs silently.
 * @param {Date} date
 * @param {string} format
 */
export function strftime(date, format) {
  return format.replace(/%(.?)/gs, (whole, letter) => {
    const directive = Object.hasOwn(directives, letter) ? directives[letter] : undefined;
    if (directive === undefined) throw new Error(`strftime_now: the directive ${whole} is not known`);
    return directive(date);
  });
}
