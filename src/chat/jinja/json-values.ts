/** JSON of values as `json.dumps` writes it, and values of JSON. */
import { ExactNumber, parseExact } from '../../exact-json.js';
import { JinjaError, requireLength, tick } from './budget.js';
import { intText, pythonFloat } from './numbers.js';
import { compareValues } from './ordering.js';
import { Dict, Tuple, typeName, type Value } from './values.js';

/** The arguments of `tojson`. */
export interface JsonStyle {
  readonly asciiOnly: boolean;
  /** The text of one level; undefined writes one line. */
  readonly indent: string | undefined;
  readonly separators: readonly [between: string, behindKey: string];
  readonly sortKeys: boolean;
}

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
};
const escapeUnit = (unit: string): string => short[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them.
const control = /["\\\x00-\x1f]/g;
const notAscii = /["\\]|[^ -~]/g;

const floatText = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? pythonFloat(value) : value > 0 ? 'Infinity' : '-Infinity';
};

class JsonWriter {
  private length = 0;

  constructor(private readonly style: JsonStyle) {}

  write(value: Value, depth: number): string {
    tick();
    const text = this.textOf(value, depth);
    this.length += text.length;
    requireLength(this.length);
    return text;
  }

  private textOf(value: Value, depth: number): string {
    if (value === null || typeof value === 'boolean') return String(value);
    if (typeof value === 'bigint') return intText(value);
    if (typeof value === 'number') return floatText(value);
    if (typeof value === 'string') return `"${value.replace(this.style.asciiOnly ? notAscii : control, escapeUnit)}"`;
    if (depth > 900) throw new JinjaError('maximum recursion depth exceeded');
    if (Array.isArray(value)) return this.list(value, depth);
    if (value instanceof Tuple) return this.list(value.items, depth);
    if (value instanceof Dict) return this.dict(value, depth);
    throw new JinjaError(`Object of type ${typeName(value)} is not JSON serializable`);
  }

  private list(items: readonly Value[], depth: number): string {
    return this.enclosed(
      '[',
      ']',
      items.map((item) => this.write(item, depth + 1)),
      depth,
    );
  }

  private dict(dict: Dict, depth: number): string {
    const entries = Array.from(dict.items());
    if (this.style.sortKeys) entries.sort(([left], [right]) => compareValues(left, right));
    const texts = entries.map(
      ([key, value]) => `${this.key(key)}${this.style.separators[1]}${this.write(value, depth + 1)}`,
    );
    return this.enclosed('{', '}', texts, depth);
  }

  private key(key: Value): string {
    if (typeof key === 'string') return this.write(key, 0);
    if (key === null || typeof key !== 'object') return `"${this.textOf(key, 0)}"`;
    throw new JinjaError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
  }

  private enclosed(open: string, close: string, texts: readonly string[], depth: number): string {
    const { indent, separators } = this.style;
    if (texts.length === 0) return open + close;
    if (indent === undefined) return open + texts.join(separators[0]) + close;
    const line = `\n${indent.repeat(depth + 1)}`;
    return `${open}${line}${texts.join(separators[0] + line)}\n${indent.repeat(depth)}${close}`;
  }
}

/** Python's `json.dumps`. @throws JinjaError for a value that JSON does not have. */
export const toJson = (value: Value, style: JsonStyle): string => new JsonWriter(style).write(value, 0);

function numberValue(value: number): Value {
  return Number.isInteger(value) ? BigInt(value) : value;
}

/** A JavaScript value of `parseExact` as Python's json reads it. */
function fromPlain(value: unknown): Value {
  if (value instanceof ExactNumber) return /[.eE]/.test(value.text) ? Number(value.text) : BigInt(value.text);
  if (typeof value === 'number') return numberValue(value);
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value !== 'object' || value === null) return value as Value;
  return new Dict(Object.entries(value).map(([key, one]): [Value, Value] => [key, fromPlain(one)]));
}

/** The value of a JSON text. */
export const fromJson = (text: string): Value => fromPlain(parseExact(text));
