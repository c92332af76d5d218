/** `value.name` and `value[key]` as Jinja's immutable sandbox reads them. */
import { bindPositional, requireInt } from './bind-arguments.js';
import { JinjaError, unsupported } from './budget.js';
import { formatFields } from './format-fields.js';
import { isEqual } from './ordering.js';
import { characters } from './python-text.js';
import { otherTextAttributes, textMethods } from './text-methods.js';
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  Group,
  HostObject,
  Iteration,
  isNumber,
  iterate,
  Markup,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js';

type Methods = Readonly<Record<string, (args: Arguments) => Value>>;

function dictMethods(dict: Dict): Methods {
  const view = (kind: 'keys' | 'values' | 'items') => (args: Arguments) => {
    bindPositional(kind, [], args);
    return new DictView(kind, dict);
  };
  return {
    get: (args) => {
      const [key = null, otherwise = null] = bindPositional('get', ['key', ['default', null]], args);
      const value = dict.get(key);
      return value === undefined ? otherwise : value;
    },
    keys: view('keys'),
    values: view('values'),
    items: view('items'),
    copy: (args) => {
      bindPositional('copy', [], args);
      return new Dict(dict.items());
    },
  };
}

function sequenceMethods(value: Value): Methods {
  const count = (args: Arguments): Value => {
    const [wanted = null] = bindPositional('count', ['value'], args);
    let found = 0n;
    for (const one of iterate(value)) if (isEqual(one, wanted)) found += 1n;
    return found;
  };
  const index = (args: Arguments): Value => {
    const [wanted = null] = bindPositional('index', ['value'], args);
    let at = 0n;
    for (const one of iterate(value)) {
      if (isEqual(one, wanted)) return at;
      at += 1n;
    }
    throw new JinjaError('the value is not in the list');
  };
  const copy = (args: Arguments): Value => {
    bindPositional('copy', [], args);
    return [...(value as Value[])];
  };
  return Array.isArray(value) ? { count, index, copy } : { count, index };
}

function textMethod(text: string, name: string): ((args: Arguments) => Value) | undefined {
  if (name === 'format') return (args) => formatFields(text, args, { attribute: getAttribute, item: getItem });
  const method = Object.hasOwn(textMethods, name) ? textMethods[name] : undefined;
  return method && ((args) => method(text, args));
}

function methodOf(value: Value, name: string): ((args: Arguments) => Value) | undefined {
  if (typeof value === 'string') return textMethod(value, name);
  const isSequence = Array.isArray(value) || value instanceof Tuple || value instanceof Range;
  const methods: Methods = value instanceof Dict ? dictMethods(value) : isSequence ? sequenceMethods(value) : {};
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

/** Methods that would change a value: the sandbox hides them. */
const changing: Readonly<Record<string, readonly string[]>> = {
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
  list: ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
};

const ofInts = [
  'as_integer_ratio',
  'bit_count',
  'bit_length',
  'conjugate',
  'denominator',
  'from_bytes',
  'imag',
  'numerator',
  'real',
  'to_bytes',
];

/** Attributes that Python has and this has not. */
const notHere: Readonly<Record<string, readonly string[]>> = {
  str: otherTextAttributes,
  dict: ['fromkeys'],
  int: ofInts,
  bool: ofInts,
  float: ['as_integer_ratio', 'conjugate', 'fromhex', 'hex', 'imag', 'is_integer', 'real'],
  range: ['start', 'stop', 'step'],
  dict_keys: ['isdisjoint', 'mapping'],
  dict_items: ['isdisjoint', 'mapping'],
  dict_values: ['mapping'],
};

const isSpecial = (name: string): boolean => name.startsWith('__') && name.endsWith('__');

/** The attribute that Python's `getattr` finds; undefined where there is none. */
function pythonAttribute(value: Value, name: string): Value | undefined {
  const type = typeName(value);
  if (value instanceof Undefined) return value.fail();
  if (value instanceof Markup) return unsupported(`the attribute \`${name}\` of marked HTML`);
  if (value instanceof Namespace) return value.attributes.get(name);
  if (value instanceof HostObject) return value.attribute(name);
  if (value instanceof Group && (name === 'grouper' || name === 'list')) return value[name];
  if (value instanceof Callable && value.attributes.has(name)) return value.attributes.get(name);
  if (changing[type]?.includes(name))
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`);
  if (notHere[type]?.includes(name) || value instanceof Iteration || value instanceof Callable) {
    return unsupported(`the attribute \`${name}\` of a ${type}`);
  }
  const method = methodOf(value, name);
  return method && new Callable(name, method);
}

/** Names that begin with two underscores are Python's own; of a dict they may be keys. */
function refuseSpecial(value: Value, name: string): void {
  if (isSpecial(name) && !(value instanceof Dict && value.has(name))) unsupported(`the attribute \`${name}\``);
}

const missing = (value: Value, name: string): Undefined =>
  new Undefined(`'${typeName(value)} object' has no attribute '${name}'`);

/** `value.name`. */
export function getAttribute(value: Value, name: string): Value {
  if (value instanceof Undefined) value.fail();
  refuseSpecial(value, name);
  const attribute = pythonAttribute(value, name);
  if (attribute !== undefined) return attribute;
  const item = value instanceof Dict ? value.get(name) : undefined;
  return item === undefined ? missing(value, name) : item;
}

function itemAt(value: Value, key: Value): Value | undefined {
  if (typeof key !== 'bigint' && typeof key !== 'boolean') return undefined;
  const place = requireInt(key, 'index');
  const items = typeof value === 'string' ? characters(value) : value instanceof Tuple ? value.items : value;
  if (items instanceof Range) {
    const at = place < 0 ? place + items.length : place;
    return at >= 0 && at < items.length ? items.at(at) : undefined;
  }
  return Array.isArray(items) ? (items as readonly Value[]).at(place) : undefined;
}

const isHashable = (key: Value): boolean => !(Array.isArray(key) || key instanceof Dict || key instanceof Tuple);

/** `value[key]`. */
export function getItem(value: Value, key: Value): Value {
  if (value instanceof Undefined) value.fail();
  if (key instanceof Tuple && value instanceof Dict) unsupported('a tuple as a key');
  const item = value instanceof Dict ? (isHashable(key) ? value.get(key) : undefined) : itemAt(value, key);
  if (item !== undefined) return item;
  if (typeof key !== 'string') {
    if (value instanceof Markup) unsupported('an item of marked HTML');
    return new Undefined(`${typeName(value)} object has no element ${isNumber(key) ? String(key) : typeName(key)}`);
  }
  refuseSpecial(value, key);
  const attribute = pythonAttribute(value, key);
  return attribute === undefined ? missing(value, key) : attribute;
}

const place = (value: Value): number | undefined => (value === null ? undefined : requireInt(value, 'slice indices'));

/** The places that a slice takes, as Python counts them. */
function slicePlaces(length: number, start: Value, stop: Value, step: Value): readonly number[] {
  const by = place(step) ?? 1;
  if (by === 0) throw new JinjaError('slice step cannot be zero');
  const [lowest, highest] = by > 0 ? [0, length] : [-1, length - 1];
  const bound = (given: number | undefined, otherwise: number): number => {
    if (given === undefined) return otherwise;
    return Math.min(highest, Math.max(lowest, given < 0 ? given + length : given));
  };
  const [from, to] = [bound(place(start), by > 0 ? lowest : highest), bound(place(stop), by > 0 ? highest : lowest)];
  const size = Math.max(0, Math.ceil((to - from) / by));
  return Array.from({ length: size }, (_, at) => from + at * by);
}

/** `value[start:stop:step]`. */
export function getSlice(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) value.fail();
  const pick = <Item>(items: readonly Item[]): Item[] =>
    slicePlaces(items.length, start, stop, step).map((at) => items[at] as Item);
  if (typeof value === 'string') return pick(characters(value)).join('');
  if (Array.isArray(value)) return pick(value);
  if (value instanceof Tuple) return new Tuple(pick(value.items));
  if (value instanceof Range) return unsupported('a slice of a range');
  throw new JinjaError(`'${typeName(value)}' object is not subscriptable`);
}
