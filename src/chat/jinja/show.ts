/** `str` and `repr` of values. */
import { bounded, JinjaError, requireLength, tick, unsupported } from './budget.js';
import { intText, pythonFloat } from './numbers.js';
import { quoteText } from './python-text.js';
import { Dict, DictView, Markup, Namespace, Range, Tuple, typeName, Undefined, type Value } from './values.js';

const deepest = 900;

class Writer {
  private length = 0;
  private depth = 0;

  write(value: Value): string {
    const text = this.textOf(value);
    this.length += text.length;
    requireLength(this.length);
    return text;
  }

  private textOf(value: Value): string {
    tick();
    if (value === null) return 'None';
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (typeof value === 'bigint') return intText(value);
    if (typeof value === 'number') return pythonFloat(value);
    if (typeof value === 'string') return quoteText(value);
    if (++this.depth > deepest) throw new JinjaError('maximum recursion depth exceeded');
    const text = this.containerText(value);
    this.depth--;
    return text;
  }

  private containerText(value: Value): string {
    if (Array.isArray(value)) return `[${this.list(value)}]`;
    if (value instanceof Tuple)
      return value.items.length === 1 ? `(${this.list(value.items)},)` : `(${this.list(value.items)})`;
    if (value instanceof Dict) return this.dict(value);
    if (value instanceof DictView) return `dict_${value.kind}([${this.list(Array.from(value))}])`;
    if (value instanceof Range) {
      return value.step === 1n
        ? `range(${value.start}, ${value.stop})`
        : `range(${value.start}, ${value.stop}, ${value.step})`;
    }
    if (value instanceof Undefined) return 'Undefined';
    if (value instanceof Namespace) return `<Namespace ${this.dict(value.attributes)}>`;
    return unsupported(`the text of a ${typeName(value)}`);
  }

  private list(items: readonly Value[]): string {
    return items.map((item) => this.write(item)).join(', ');
  }

  private dict(dict: Dict): string {
    const entries = Array.from(dict.items(), ([key, value]) => `${this.write(key)}: ${this.write(value)}`);
    return `{${entries.join(', ')}}`;
  }
}

/** Python's `repr`. @throws JinjaError for a value that prints an address. */
export const repr = (value: Value): string => new Writer().write(value);

/** Python's `str`. */
export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Undefined) return '';
  return value instanceof Markup ? value.text : bounded(repr(value));
}
