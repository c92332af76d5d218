/** Python's `text % values`. */
import { bounded, JinjaError, requireLength, unsupported } from './budget.js';
import { fixedText, intText, truncate } from './numbers.js';
import { characters, lengthOf } from './python-text.js';
import { repr, toText } from './show.js';
import { Dict, DictView, isNumber, numeric, Range, Tuple, typeName, Undefined, type Value } from './values.js';

const directive = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([\s\S])?/g;

/** The flags, width and precision of a directive. */
interface Layout {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

/** Fills a text up to its width. */
function padded(text: string, { flags, width }: Layout, isNumeric: boolean): string {
  requireLength(width);
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!isNumeric || !flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = /^[+\- ]/.test(text) ? text.slice(0, 1) : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function withSign(text: string, flags: string): string {
  if (text.startsWith('-')) return text;
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text;
}

function wholeText(value: Value, type: string, { flags, precision }: Layout): string {
  if (!isNumber(value)) throw new JinjaError(`%${type} format: a real number is required, not ${typeName(value)}`);
  const number = numeric(value);
  if (typeof number !== 'bigint' && /[xXo]/.test(type))
    throw new JinjaError(`%${type} format: an integer is required, not float`);
  const whole = typeof number === 'bigint' ? number : truncate(number);
  if (flags.includes('#')) unsupported('the flag # of a format');
  const base = type === 'o' ? 8 : type === 'x' || type === 'X' ? 16 : 10;
  const digits = base === 10 ? intText(whole < 0n ? -whole : whole) : (whole < 0n ? -whole : whole).toString(base);
  const filled = digits.padStart(precision ?? 0, '0');
  return withSign((whole < 0n ? '-' : '') + (type === 'X' ? filled.toUpperCase() : filled), flags);
}

function floatText(value: Value, type: string, { flags, precision }: Layout): string {
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) throw new JinjaError(`must be real number, not ${typeName(value)}`);
  const text = fixedText(Number(numeric(value)), precision ?? 6);
  return withSign(type === 'F' ? text.toUpperCase() : text, flags);
}

function characterText(value: Value): string {
  if (typeof value === 'string' && lengthOf(value) === 1) return value;
  if (typeof value === 'bigint' && value >= 0n && value <= 0x10ffffn) return String.fromCodePoint(Number(value));
  throw new JinjaError('%c requires int or char');
}

function directiveText(value: Value, type: string, layout: Layout): string {
  const cut = (text: string): string =>
    layout.precision === undefined ? text : characters(text).slice(0, layout.precision).join('');
  if (type === 's') return padded(cut(toText(value)), layout, false);
  if (type === 'r') return padded(cut(repr(value)), layout, false);
  if (type === 'c') return padded(characterText(value), layout, false);
  if (/^[diuxXo]$/.test(type)) return padded(wholeText(value, type, layout), layout, true);
  if (/^[fF]$/.test(type)) return padded(floatText(value, type, layout), layout, true);
  return unsupported(`the format %${type}`);
}

/** The values of a format, taken one after the other, or by key from a dict. */
class Given {
  private at = 0;
  private readonly items: readonly Value[];
  private byKey = false;

  constructor(private readonly given: Value) {
    this.items = given instanceof Tuple ? given.items : [given];
  }

  next(): Value {
    const value = this.items[this.at++];
    if (value === undefined) throw new JinjaError('not enough arguments for format string');
    return value;
  }

  named(key: string): Value {
    if (!(this.given instanceof Dict)) throw new JinjaError('format requires a mapping');
    this.byKey = true;
    const value = this.given.get(key);
    if (value === undefined) throw new JinjaError(repr(key));
    return value;
  }

  requireAllUsed(): void {
    const { given } = this;
    const isMapping =
      Array.isArray(given) || given instanceof Dict || given instanceof Range || given instanceof Undefined;
    if (this.at >= this.items.length || this.byKey || isMapping) return;
    if (given instanceof DictView) unsupported('a dict view as the value of a format');
    throw new JinjaError('not all arguments converted during string formatting');
  }
}

/** Python's `format % given`. @throws JinjaError. */
export function formatPercent(format: string, given: Value): string {
  const values = new Given(given);
  const count = (text: string | undefined): number | undefined => {
    if (text === '*') unsupported('a width that is an argument');
    return text === undefined ? undefined : Number(text);
  };
  const text = format.replace(directive, (whole, key: string | undefined, flags, width, precision, type) => {
    if (type === '%' && whole === '%%') return '%';
    if (type === undefined) throw new JinjaError('incomplete format');
    if (type === '%') unsupported(`the format ${whole}`);
    const layout: Layout = { flags, width: count(width) ?? 0, precision: count(precision) };
    return directiveText(key === undefined ? values.next() : values.named(key), type, layout);
  });
  values.requireAllUsed();
  return bounded(text);
}
