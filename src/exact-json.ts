/**
 * Reads JSON without a change to its numbers. `JSON.parse` makes 12345678901234567000 of 12345678901234567891 and 1 of 1.0;
 * here such a number is an `ExactNumber`, which keeps its text. As Python's json, the reader takes NaN and Infinity, and of
 * a repeated key the last value.
 */
import { randomUUID } from 'node:crypto';

/** A number that JavaScript would print in another way than Python prints the same text of JSON. */
export class ExactNumber {
  constructor(
    /** The number as the file writes it, for example `12345678901234567891` or `1.0`. */
    readonly text: string,
  ) {}

  /** The nearest double. */
  valueOf(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): number | string {
    return this.plain();
  }

  /** The number as Python prints it: the digits of an integer, the shortest text of a float. */
  pythonText(): string {
    return isInteger(this.text) ? this.text : pythonFloat(Number(this.text));
  }

  /** The JavaScript number of this value; its text where no JavaScript number has this value. */
  plain(): number | string {
    const number = Number(this.text);
    if (isInteger(this.text)) return Number.isSafeInteger(number) ? number : this.text;
    return sameValue(this.text, String(number)) ? number : this.text;
  }
}

const isInteger = (text: string): boolean => !/[.eE]/.test(text);

/** Splits a decimal number into sign, digits without zeros at either end, and the power of ten of the last digit. */
function decimalParts(text: string): [negative: boolean, digits: string, power: number] {
  const [, sign, whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  // The pattern /0+$/ takes a time that is quadratic in the zeros.
  let length = digits.length;
  while (digits[length - 1] === '0') length--;
  if (length === 0) return [false, '', 0];
  return [sign === '-', digits.slice(0, length), Number(exponent) - fraction.length + digits.length - length];
}

const isDecimal = (text: string): boolean => /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text);

/** True where two decimal texts have the same value: `0.30` and `3e-1`. False where one of them is not a decimal number. */
export function sameValue(left: string, right: string): boolean {
  if (!isDecimal(left) || !isDecimal(right)) return false;
  const parts = decimalParts(right);
  return decimalParts(left).every((part, at) => part === parts[at]);
}

/** The text of a float as Python's `repr` writes it: `1.0`, `1e-05`, `nan`. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa = '', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent >= 0) return Number.isInteger(value) ? `${value}.0` : String(value);
  return value.toFixed(Math.max(1, mantissa.replace(/[-.]/g, '').length - exponent - 1));
}

/** Longest token whose digits a double always keeps. */
const safeLength = 15;

/** True where JavaScript prints the number of this token as Python does. */
function printsAlike(token: string): boolean {
  if (/[eEN]/.test(token) || token.endsWith('y')) return false;
  const isFloat = token.includes('.');
  if (token.length <= safeLength && !isFloat) return true;
  // Python writes numbers below 0.0001 with an exponent.
  if (token.length <= safeLength) return !token.endsWith('0') && !/^-?0\.0000/.test(token);
  const number = Number(token);
  return isFloat ? pythonFloat(number) === token && String(number) === token : Number.isSafeInteger(number);
}

const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity/y;

const quote = 0x22;
const backslash = 0x5c;

/** Returns the place after the string that begins at `begin`. */
function skipString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === backslash) before--;
    if ((end - before) % 2 === 1) return end + 1;
  }
  return text.length;
}

const beginsNumber = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x4e || code === 0x49;

// A text of the file cannot begin with it by intention, since it differs in every process.
const mark = randomUUID();

/** Writes every number that JavaScript would change as a string behind the mark. */
function markNumbers(text: string): string {
  let marked = '';
  let copied = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === quote) at = skipString(text, at);
    else if (!beginsNumber(code)) at++;
    else {
      numberToken.lastIndex = at;
      const token = numberToken.exec(text)?.[0] ?? '';
      if (token !== '' && !printsAlike(token)) {
        marked += `${text.slice(copied, at)}"${mark}${token}"`;
        copied = at + token.length;
      }
      at += Math.max(1, token.length);
    }
  }
  return copied === 0 ? text : marked + text.slice(copied);
}

const notFinite: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity };

function unmarkText(text: string): unknown {
  if (/\p{Surrogate}/u.test(text)) throw new SyntaxError('a text holds half of a surrogate pair');
  if (!text.startsWith(mark)) return text;
  const token = text.slice(mark.length);
  return Object.hasOwn(notFinite, token) ? notFinite[token] : new ExactNumber(token);
}

/** Bounds the recursion below. */
const deepest = 1000;

/** Turns marked strings to numbers, in place. */
function unmark(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return unmarkText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > deepest) throw new SyntaxError(`containers are nested more than ${deepest} deep`);
  for (const [key, child] of Object.entries(value)) {
    if (key.startsWith(mark)) throw new SyntaxError('a key is not a text');
    unmarkText(key);
    const unmarked = unmark(child, depth + 1);
    if (unmarked !== child)
      Object.defineProperty(value, key, { value: unmarked, writable: true, enumerable: true, configurable: true });
  }
  return value;
}

/**
 * Parses JSON. A number that JavaScript prints as Python does is a number, NaN and Infinity are numbers, and every other one
 * is an `ExactNumber`.
 * @throws SyntaxError for a text that is not JSON, and for half of a surrogate pair, which no encoding can write.
 */
export function parseExact(text: string): unknown {
  const marked = markNumbers(text);
  const hasSurrogates = /\\u[dD][89a-fA-F]/.test(text);
  if (marked === text && !hasSurrogates) return JSON.parse(text);
  return unmark(parseMarked(marked, text));
}

/** An error must quote the file, not the marks. */
function parseMarked(marked: string, text: string): unknown {
  try {
    return JSON.parse(marked);
  } catch (error) {
    JSON.parse(text);
    throw error;
  }
}

/** Writes a value as JSON, each `ExactNumber` as its text. Nothing but JSON's own types may occur beside them. */
export function formatExact(value: unknown): string {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map((one) => formatExact(one ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return `{${entries.map(([key, child]) => `${JSON.stringify(key)}:${formatExact(child)}`).join(',')}}`;
}

/** Returns the value with `plain()` in place of each `ExactNumber`; the value itself where it has none. */
export function plainNumbers(value: unknown): unknown {
  if (value instanceof ExactNumber) return value.plain();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const list = value.map(plainNumbers);
    return list.some((one, at) => !Object.is(one, value[at])) ? list : value;
  }
  const entries = Object.entries(value).map(([key, child]): [string, unknown] => [key, plainNumbers(child)]);
  const isChanged = entries.some(([key, child]) => !Object.is(child, (value as Record<string, unknown>)[key]));
  return isChanged ? Object.fromEntries(entries) : value;
}
