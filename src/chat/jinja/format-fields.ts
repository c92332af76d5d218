/** Python's `text.format(…)`, as Jinja's sandbox allows it. */
import { bounded, JinjaError, requireLength, unsupported } from './budget.js';
import { fixedText, intText, pythonFloat } from './numbers.js';
import { characters, lengthOf } from './python-text.js';
import { repr, toText } from './show.js';
import { type Arguments, isNumber, numeric, typeName, type Value } from './values.js';

/** Reads attributes and items as the sandbox does. */
export interface Access {
  readonly attribute: (value: Value, name: string) => Value;
  readonly item: (value: Value, key: Value) => Value;
}

const field = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const fieldName = /^([^.[\]]*)((?:\.[^.[\]]+|\[[^\]]+\])*)$/;
const specification = /^(?:([\s\S])?([<>^=]))?([+\- ])?(0)?(\d*)(,)?(?:\.(\d+))?([a-zA-Z%])?$/u;

function grouped(digits: string): string {
  const [whole = '', fraction] = digits.split('.');
  const text = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? text : `${text}.${fraction}`;
}

function numberText(
  number: bigint | number,
  type: string | undefined,
  precision: string | undefined,
  commas: boolean,
): string {
  if (type === 'f' || type === 'F' || type === '%') {
    const digits = precision === undefined ? 6 : Number(precision);
    if (type === '%') unsupported('the format %');
    const text = fixedText(Number(number), digits);
    return commas ? grouped(text) : text;
  }
  if (type !== undefined && type !== 'd') unsupported(`the format ${type}`);
  if (typeof number === 'bigint') {
    if (precision !== undefined) throw new JinjaError('Precision not allowed in integer format specifier');
    return commas ? grouped(intText(number)) : intText(number);
  }
  if (type === 'd' || precision !== undefined || commas) unsupported('this format of a float');
  return pythonFloat(number);
}

/** Fills up to the width, by default texts on the right, numbers on the left. */
function aligned(text: string, fill: string, align: string, width: number): string {
  requireLength(width);
  const missing = Math.max(0, width - lengthOf(text));
  if (align === '<') return text + fill.repeat(missing);
  if (align === '>') return fill.repeat(missing) + text;
  if (align === '^') return fill.repeat(missing >> 1) + text + fill.repeat(missing - (missing >> 1));
  const sign = /^[+\- ]/.test(text) ? text.slice(0, 1) : '';
  return sign + fill.repeat(missing) + text.slice(sign.length);
}

function formatValue(value: Value, format: string): string {
  if (format === '') return toText(value);
  const found = specification.exec(format);
  if (found === null) unsupported(`the format ${format}`);
  const [, fill, align, sign = '', zero, width = '', comma, precision, type] = found;
  if (typeof value === 'string') {
    if (sign !== '' || comma !== undefined || zero !== undefined || (type ?? 's') !== 's' || align === '=') {
      unsupported(`the format ${format} of a text`);
    }
    const cut = precision === undefined ? value : characters(value).slice(0, Number(precision)).join('');
    return aligned(cut, fill ?? ' ', align ?? '<', Number(width));
  }
  if (!isNumber(value) || typeof value === 'boolean')
    throw new JinjaError(`unsupported format string passed to ${typeName(value)}.__format__`);
  if (zero !== undefined && comma !== undefined) unsupported(`the format ${format}`);
  const plain = numberText(numeric(value), type, precision, comma !== undefined);
  const text = sign !== '' && sign !== '-' && !plain.startsWith('-') ? sign + plain : plain;
  return aligned(
    text,
    fill ?? (zero === undefined ? ' ' : '0'),
    align ?? (zero === undefined ? '>' : '='),
    Number(width),
  );
}

/** Numbers the fields that have no name. */
class Fields {
  private automatic = 0;
  private style: 'automatic' | 'manual' | undefined;

  constructor(
    private readonly args: Arguments,
    private readonly access: Access,
  ) {}

  value(name: string): Value {
    const found = fieldName.exec(name);
    if (found === null) unsupported(`the field {${name}}`);
    const [, first = '', rest = ''] = found;
    let value = this.first(first);
    for (const [step] of rest.matchAll(/\.[^.[\]]+|\[[^\]]+\]/g)) {
      const key = step.startsWith('[') ? step.slice(1, -1) : step.slice(1);
      if (step.startsWith('.')) value = this.access.attribute(value, key);
      else value = this.access.item(value, /^\d+$/.test(key) ? BigInt(key) : key);
    }
    return value;
  }

  private first(name: string): Value {
    if (name !== '' && !/^\d+$/.test(name)) {
      const value = this.args.named.get(name);
      if (value === undefined) throw new JinjaError(repr(name));
      return value;
    }
    const style = name === '' ? 'automatic' : 'manual';
    if (this.style !== undefined && this.style !== style)
      throw new JinjaError('cannot switch between manual and automatic field numbering');
    this.style = style;
    const at = name === '' ? this.automatic++ : Number(name);
    const value = this.args.positional[at];
    if (value === undefined) throw new JinjaError(`Replacement index ${at} out of range for positional args tuple`);
    return value;
  }
}

/** Python's `format.format(*positional, **named)`. @throws JinjaError. */
export function formatFields(format: string, args: Arguments, access: Access): string {
  const fields = new Fields(args, access);
  const text = format.replace(field, (whole, content: string | undefined) => {
    if (whole === '{{' || whole === '}}') return whole.slice(1);
    if (content === undefined) return unsupported(`the format ${format.slice(0, 60)}`);
    const [, name = '', conversion, specifier = ''] = /^([^!:]*)(?:!([^:]*))?(?::([\s\S]*))?$/.exec(content) ?? [];
    const value = fields.value(name);
    if (conversion === undefined) return formatValue(value, specifier);
    if (conversion !== 's' && conversion !== 'r') return unsupported(`the conversion !${conversion}`);
    return formatValue(conversion === 'r' ? repr(value) : toText(value), specifier);
  });
  return bounded(text);
}
