/** The filters of numbers, of JSON, and of any value. */

import { getAttribute } from './attributes.js';
import { bind, requireInt, requireNumber, requireText } from './bind-arguments.js';
import { JinjaError, requireLength, unsupported } from './budget.js';
import { type JsonStyle, toJson } from './json-values.js';
import { parseFloat_, parseInt_, power, roundNumber, toFloat, trueDivide, truncate } from './numbers.js';
import { operate } from './operators.js';
import { pythonTrim } from './python-text.js';
import { toText } from './show.js';
import type { FilterFunction } from './values.js';
import { isNumber, isTrue, listOf, Markup, numeric, sizeOf, Tuple, typeName, Undefined, type Value } from './values.js';

const lengthFilter: FilterFunction = (value, args) => {
  bind('len', [], args);
  const size = sizeOf(value);
  if (size === undefined) throw new JinjaError(`object of type '${typeName(value)}' has no len()`);
  return BigInt(size);
};

const defaultFilter: FilterFunction = (value, args) => {
  const [fallback = '', boolean = false] = bind(
    'default',
    [
      ['default_value', ''],
      ['boolean', false],
    ],
    args,
  );
  return value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? fallback : value;
};

/** `int(value)` of Python; undefined where it raises TypeError or ValueError. */
function asInt(value: Value, base: number): bigint | undefined {
  if (typeof value === 'string') return parseInt_(pythonTrim(value), base);
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) return undefined;
  const number = numeric(value);
  if (typeof number === 'bigint') return number;
  return Number.isNaN(number) ? undefined : truncate(number);
}

/** `float(value)` of Python; undefined where it raises TypeError or ValueError. */
function asFloat(value: Value): number | undefined {
  if (typeof value === 'string') return parseFloat_(pythonTrim(value));
  if (value instanceof Undefined) value.fail();
  return isNumber(value) ? toFloat(numeric(value)) : undefined;
}

const intFilter: FilterFunction = (value, args) => {
  const [fallback = 0n, base = 10n] = bind(
    'int',
    [
      ['default', 0n],
      ['base', 10n],
    ],
    args,
  );
  const whole = asInt(value, requireInt(base, 'int'));
  if (whole !== undefined) return whole;
  const float = asFloat(value);
  return float === undefined || !Number.isFinite(float) ? fallback : truncate(float);
};

const floatFilter: FilterFunction = (value, args) => {
  const [fallback = 0] = bind('float', [['default', 0]], args);
  return asFloat(value) ?? fallback;
};

const absFilter: FilterFunction = (value, args) => {
  bind('abs', [], args);
  const number = requireNumber(value, 'bad operand type for abs()');
  return number < 0 || Object.is(number, -0) ? -number : number;
};

const roundFilter: FilterFunction = (value, args) => {
  const [precision = 0n, method = 'common'] = bind(
    'round',
    [
      ['precision', 0n],
      ['method', 'common'],
    ],
    args,
  );
  const digits = requireInt(precision, 'round');
  const number = requireNumber(value, 'round');
  if (method === 'common') return roundNumber(number, digits);
  if (method !== 'ceil' && method !== 'floor') throw new JinjaError('method must be common, ceil or floor');
  const scale = power(10n, BigInt(digits));
  const scaled = operate('*', number, scale) as bigint | number;
  const whole =
    typeof scaled === 'bigint' ? scaled : truncate(method === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled));
  return trueDivide(whole, scale);
};

function indentation(indent: Value): string | undefined {
  if (indent === null) return undefined;
  if (typeof indent === 'string') return indent;
  const width = requireInt(indent, 'indent');
  requireLength(width);
  return ' '.repeat(Math.max(0, width));
}

function separators(given: Value, indent: string | undefined): readonly [string, string] {
  if (given === null) return [indent === undefined ? ', ' : ',', ': '];
  const [between, behindKey, ...others] = listOf(given).map((one) => requireText(one, 'a separator'));
  if (between === undefined || behindKey === undefined || others.length > 0)
    throw new JinjaError('`separators` takes two texts');
  return [between, behindKey];
}

/** `tojson` as transformers defines it: Python's `json.dumps` without escapes of HTML. */
const jsonFilter: FilterFunction = (value, args) => {
  const parameters = [
    ['ensure_ascii', false],
    ['indent', null],
    ['separators', null],
    ['sort_keys', false],
  ] as const;
  const [asciiOnly = false, indent = null, given = null, sortKeys = false] = bind('tojson', parameters, args);
  const level = indentation(indent);
  const style: JsonStyle = {
    asciiOnly: isTrue(asciiOnly),
    indent: level,
    separators: separators(given, level),
    sortKeys: isTrue(sortKeys),
  };
  return toJson(value, style);
};

const stringFilter: FilterFunction = (value, args) => {
  bind('string', [], args);
  return value instanceof Markup ? value : toText(value);
};

const safeFilter: FilterFunction = (value, args) => {
  bind('safe', [], args);
  return new Markup(toText(value));
};

const html: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' };

const escapeFilter: FilterFunction = (value, args) => {
  bind('escape', [], args);
  return value instanceof Markup ? value : new Markup(toText(value).replace(/[&<>'"]/g, (one) => html[one] ?? one));
};

const attributeFilter: FilterFunction = (value, args) => {
  const [name = null] = bind('attr', ['name'], args);
  const attribute = requireText(name, 'attribute name');
  if (typeName(value) === 'dict') unsupported('the filter `attr` of a dict');
  return getAttribute(value, attribute);
};

const formatFilter: FilterFunction = (value, { positional, named }) => {
  if (named.size > 0) unsupported('the filter `format` with names');
  return operate(
    '%',
    value instanceof Markup ? unsupported('a format of marked HTML') : toText(value),
    new Tuple(positional),
  );
};

export const valueFilters: Readonly<Record<string, FilterFunction>> = {
  abs: absFilter,
  attr: attributeFilter,
  count: lengthFilter,
  d: defaultFilter,
  default: defaultFilter,
  e: escapeFilter,
  escape: escapeFilter,
  float: floatFilter,
  format: formatFilter,
  int: intFilter,
  length: lengthFilter,
  round: roundFilter,
  safe: safeFilter,
  string: stringFilter,
  tojson: jsonFilter,
};
