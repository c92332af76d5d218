/** Python's strftime in English, for the directives that chat templates use. */
import { JinjaError } from './budget.js';

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const padded = (value: number, width = 2): string => String(value).padStart(width, '0');

const dayOfYear = (date: Date): number => (date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000 + 1;

const directives: Readonly<Record<string, (date: Date) => string>> = {
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

/** The date in the format; a directive that is not known here is refused, so that no text differs silently. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(.?)/gs, (whole, letter: string) => {
    const directive = Object.hasOwn(directives, letter) ? directives[letter] : undefined;
    if (directive === undefined) throw new JinjaError(`strftime_now: the directive ${whole} is not known`);
    return directive(date);
  });
}
