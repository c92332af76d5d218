/** Describes a value in an error message. */

/** Bounds the length of a text in a message. */
const longestShown = 60;

function shortened(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown - 3)}...` : text;
}

/** Returns words for a value: `the text '3'`, `NaN`, `a list`. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `the text '${shortened(value)}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Promise) return 'a promise';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
