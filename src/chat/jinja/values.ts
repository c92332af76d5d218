/** The values of a template, as Python has them. */
import { JinjaError, tick, unsupported } from './budget.js';
import { characters, lengthOf } from './python-text.js';

/** None is null, a bool a boolean, an int a bigint, a float a number, a list an array. */
export type Value = null | boolean | bigint | number | string | Value[] | PythonObject;

/** Everything that JavaScript has no counterpart of. */
export type PythonObject =
  | Tuple
  | Dict
  | DictView
  | Range
  | Iteration
  | Namespace
  | Undefined
  | Callable
  | Markup
  | HostObject;

export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A pair of `groupby`, whose parts have names. */
export class Group extends Tuple {
  constructor(
    readonly grouper: Value,
    readonly list: Value[],
  ) {
    super([grouper, list]);
  }
}

/** A text that is marked as HTML: it can be printed, nothing else. */
export class Markup {
  constructor(readonly text: string) {}
}

/** A missing value. It prints as nothing, and most operations on it fail with its reason. */
export class Undefined {
  constructor(readonly reason: string) {}

  fail(): never {
    throw new JinjaError(this.reason);
  }
}

/** The undefined value of a name. */
export const undefinedName = (name: string): Undefined => new Undefined(`'${name}' is undefined`);

/** Arguments of a call. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** `value | name(args)`. */
export type FilterFunction = (value: Value, args: Arguments) => Value;

/** A function, method or macro. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: Arguments) => Value,
    /** Attributes that templates may read. */
    readonly attributes: ReadonlyMap<string, Value> = new Map(),
  ) {}
}

/** An object of Jinja, such as `loop`: its attributes and, where it has them, its items and its call. */
export abstract class HostObject {
  abstract readonly typeName: string;
  /** An attribute's value; undefined where the object has none of this name. */
  abstract attribute(name: string): Value | undefined;
  call?(args: Arguments): Value;
}

export class Namespace {
  constructor(readonly attributes: Dict) {}
}

/** An iterator: it can be gone through once. */
export class Iteration {
  constructor(
    readonly typeName: string,
    private readonly source: Iterator<Value>,
  ) {}

  next(): IteratorResult<Value, unknown> {
    tick();
    return this.source.next();
  }
}

export class Range {
  readonly length: number;

  constructor(
    readonly start: bigint,
    readonly stop: bigint,
    readonly step: bigint,
  ) {
    const distance = step > 0n ? stop - start : start - stop;
    const size = step > 0n ? step : -step;
    this.length = distance <= 0n ? 0 : Number((distance + size - 1n) / size);
  }

  at(place: number): bigint {
    return this.start + BigInt(place) * this.step;
  }
}

type HashKey = string | bigint | number | null | symbol | object;

const undefinedKey = Symbol('undefined');

/** Keys that are equal in Python have the same hash key. @throws JinjaError for a value that cannot be a key. */
function hashKey(key: Value): HashKey {
  if (typeof key === 'boolean') return BigInt(key);
  if (typeof key === 'number') return Number.isInteger(key) ? BigInt(key) : key;
  if (key === null || typeof key === 'string' || typeof key === 'bigint') return key;
  if (key instanceof Undefined) return undefinedKey;
  if (Array.isArray(key) || key instanceof Dict) throw new JinjaError(`unhashable type: '${typeName(key)}'`);
  if (key instanceof Callable || key instanceof HostObject) return key;
  return unsupported(`a ${typeName(key)} as a key`);
}

/** A dict, in the order of insertion. */
export class Dict {
  private readonly entries = new Map<HashKey, readonly [Value, Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  /** While the dict is made; templates change none. */
  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    this.entries.set(hash, [this.entries.get(hash)?.[0] ?? key, value]);
  }

  get(key: Value): Value | undefined {
    return this.entries.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.entries.has(hashKey(key));
  }

  get size(): number {
    return this.entries.size;
  }

  items(): Iterable<readonly [Value, Value]> {
    return this.entries.values();
  }
}

/** The result of `keys()`, `values()` or `items()`. */
export class DictView {
  constructor(
    readonly kind: 'keys' | 'values' | 'items',
    readonly dict: Dict,
  ) {}

  *[Symbol.iterator](): Generator<Value> {
    for (const [key, value] of this.dict.items()) {
      if (this.kind === 'items') yield new Tuple([key, value]);
      else yield this.kind === 'keys' ? key : value;
    }
  }
}

const primitives: Readonly<Record<string, string>> = { boolean: 'bool', bigint: 'int', number: 'float', string: 'str' };

/** The name of the value's type in Python. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  if (typeof value !== 'object') return primitives[typeof value] ?? 'object';
  if (value instanceof Iteration || value instanceof HostObject) return value.typeName;
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Range) return 'range';
  if (value instanceof Callable) return 'function';
  if (value instanceof Namespace) return 'Namespace';
  return value instanceof Markup ? 'Markup' : 'Undefined';
}

/** True for bool, int and float. */
export const isNumber = (value: Value): value is boolean | bigint | number =>
  typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number';

/** The number of a bool is 0 or 1. */
export const numeric = (value: boolean | bigint | number): bigint | number =>
  typeof value === 'boolean' ? BigInt(value) : value;

/** Python's `len`; undefined for a value without a length. */
export function sizeOf(value: Value): number | undefined {
  if (typeof value === 'string') return lengthOf(value);
  if (Array.isArray(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Markup) return lengthOf(value.text);
  return value instanceof Undefined ? 0 : undefined;
}

/** Python's `bool`. */
export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (typeof value === 'boolean') return value;
  if (isNumber(value)) return Number(value) !== 0;
  return (sizeOf(value) ?? 1) > 0;
}

function* inRange(range: Range): Generator<Value> {
  for (let at = 0; at < range.length; at++) yield range.at(at);
}

/** An iterator over the value; undefined where it has none. */
export function iteratorOf(value: Value): Iterator<Value> | undefined {
  if (typeof value === 'string') return characters(value)[Symbol.iterator]();
  if (Array.isArray(value)) return value[Symbol.iterator]();
  if (value instanceof Tuple) return value.items[Symbol.iterator]();
  if (value instanceof Dict) return new DictView('keys', value)[Symbol.iterator]();
  if (value instanceof DictView) return value[Symbol.iterator]();
  if (value instanceof Range) return inRange(value);
  if (value instanceof Iteration) return value;
  return value instanceof Undefined ? [][Symbol.iterator]() : undefined;
}

/** The items of a value one after the other. @throws JinjaError where it has none. */
export function* iterate(value: Value): Generator<Value> {
  const iterator = iteratorOf(value);
  if (iterator === undefined) throw new JinjaError(`'${typeName(value)}' object is not iterable`);
  for (let step = iterator.next(); !step.done; step = iterator.next()) {
    tick();
    yield step.value;
  }
}

/** The items of a value as a list. */
export const listOf = (value: Value): Value[] => Array.from(iterate(value));
