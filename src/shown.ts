/** Describes a value in an error message. */

/** Bounds the length of a text in a message. */
const longestShown = 60;

/** Cuts a long text. */
export function shortened(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown - 3)}...` : text;
}

/** Returns words for a value: `the text '3'`, `the bigint 3n`, `NaN`, `a list`, `an object of Int32Array`. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `the text '${shortened(value)}'`;
  if (typeof value === 'bigint') return `the bigint ${shortened(`${value}n`)}`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Promise) return 'a promise';
  if (typeof value !== 'object' || value === null) return shortened(String(value));
  const { constructor: made } = value;
  return typeof made === 'function' && made !== Object ? `an object of ${made.name}` : 'an object';
}

/** Returns the message of a thrown value; of one that is no error, words for it. */
export function thrownMessage(thrown: unknown): string {
  if (thrown instanceof Error)
    return thrown.message === '' ? `an error of ${thrown.name} without a message` : thrown.message;
  return describeValue(thrown);
}
