/** The filters of lists and dicts. */

import { getItem } from './attributes.js';
import { bind, requireInt } from './bind-arguments.js';
import { bounded, JinjaError, requireLength, unsupported } from './budget.js';
import { operate } from './operators.js';
import { compareValues, isEqual, sorted } from './ordering.js';
import { callTest } from './tests.js';
import { textOf } from './text-filters.js';
import type { FilterFunction } from './values.js';
import {
  type Arguments,
  Dict,
  DictView,
  Group,
  Iteration,
  isTrue,
  iterate,
  iteratorOf,
  listOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js';

type CallFilter = (name: string, value: Value, args: Arguments) => Value;

const lowered = (value: Value): Value => (typeof value === 'string' ? value.toLowerCase() : value);

/** The parts of a path such as `address.city.0`. */
function pathParts(attribute: Value): readonly Value[] {
  if (attribute === null) return [];
  if (typeof attribute !== 'string') return [attribute];
  return attribute.split('.').map((part) => (/^[0-9]+$/.test(part) ? BigInt(part) : part));
}

/** Reads an attribute, or a path of them; the value itself for none. */
function reader(attribute: Value, fallback: Value = null): (item: Value) => Value {
  const parts = pathParts(attribute);
  return (item) =>
    parts.reduce((value: Value, part) => {
      const found = getItem(value, part);
      return found instanceof Undefined && fallback !== null ? fallback : found;
    }, item);
}

const caseOf = (caseSensitive: Value): ((value: Value) => Value) =>
  isTrue(caseSensitive) ? (value) => value : lowered;

const generator = (source: Iterator<Value>): Iteration => new Iteration('generator', source);

const firstFilter: FilterFunction = (value, args) => {
  bind('first', [], args);
  const { done, value: first } = iterate(value).next();
  return done ? new Undefined('No first item, sequence was empty.') : (first as Value);
};

const lastFilter: FilterFunction = (value, args) => {
  bind('last', [], args);
  if (value instanceof Iteration) throw new JinjaError(`'${value.typeName}' object is not reversible`);
  const last = listOf(value).at(-1);
  return last === undefined ? new Undefined('No last item, sequence was empty.') : last;
};

const listFilter: FilterFunction = (value, args) => {
  bind('list', [], args);
  return bounded(listOf(value));
};

const joinFilter: FilterFunction = (value, args) => {
  const [separator = '', attribute = null] = bind(
    'join',
    [
      ['d', ''],
      ['attribute', null],
    ],
    args,
  );
  const [between, read] = [textOf(separator), reader(attribute)];
  const texts: string[] = [];
  let length = 0;
  for (const item of iterate(value)) {
    const text = textOf(read(item));
    length += text.length + between.length;
    requireLength(length);
    texts.push(text);
  }
  return texts.join(between);
};

const itemsFilter: FilterFunction = (value, args) => {
  bind('items', [], args);
  if (value instanceof Undefined) return generator([][Symbol.iterator]());
  if (value instanceof Dict) return generator(new DictView('items', value)[Symbol.iterator]());
  return generator(refusing('Can only get item pairs from a mapping.'));
};

/** Fails when it is gone through, as a generator of Python does. */
// biome-ignore lint/correctness/useYield: the error is what it yields.
function* refusing(message: string): Generator<Value> {
  throw new JinjaError(message);
}

const reverseFilter: FilterFunction = (value, args) => {
  bind('reverse', [], args);
  if (typeof value === 'string') return [...value].reverse().join('');
  if (iteratorOf(value) === undefined) throw new JinjaError('argument must be iterable');
  const items = listOf(value).reverse();
  return value instanceof Iteration ? items : new Iteration('reversed', items[Symbol.iterator]());
};

const sortFilter: FilterFunction = (value, args) => {
  const parameters = [
    ['reverse', false],
    ['case_sensitive', false],
    ['attribute', null],
  ] as const;
  const [reverse = false, caseSensitive = false, attribute = null] = bind('sort', parameters, args);
  const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
  const [readers, fold] = [paths.map((path) => reader(path)), caseOf(caseSensitive)];
  return sorted(listOf(value), (item) => readers.map((read) => fold(read(item))), isTrue(reverse));
};

const dictSortFilter: FilterFunction = (value, args) => {
  const parameters = [
    ['case_sensitive', false],
    ['by', 'key'],
    ['reverse', false],
  ] as const;
  const [caseSensitive = false, by = 'key', reverse = false] = bind('dictsort', parameters, args);
  if (by !== 'key' && by !== 'value') throw new JinjaError('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) value.fail();
  if (!(value instanceof Dict)) throw new JinjaError(`'${typeName(value)}' object has no attribute 'items'`);
  const fold = caseOf(caseSensitive);
  const entries = sorted(Array.from(value.items()), ([key, one]) => fold(by === 'key' ? key : one), isTrue(reverse));
  return entries.map(([key, one]) => new Tuple([key, one]));
};

const uniqueFilter: FilterFunction = (value, args) => {
  const [caseSensitive = false, attribute = null] = bind(
    'unique',
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    args,
  );
  const [read, fold] = [reader(attribute), caseOf(caseSensitive)];
  function* unique(): Generator<Value> {
    const seen = new Dict();
    for (const item of iterate(value)) {
      const key = fold(read(item));
      if (seen.has(key)) continue;
      seen.set(key, null);
      yield item;
    }
  }
  return generator(unique());
};

const extreme =
  (name: string, isBetter: (difference: number) => boolean): FilterFunction =>
  (value, args) => {
    const [caseSensitive = false, attribute = null] = bind(
      name,
      [
        ['case_sensitive', false],
        ['attribute', null],
      ],
      args,
    );
    const [read, fold] = [reader(attribute), caseOf(caseSensitive)];
    let best: readonly [key: Value, item: Value] | undefined;
    for (const item of iterate(value)) {
      const key = fold(read(item));
      if (best === undefined || isBetter(compareValues(key, best[0], name === 'max' ? '>' : '<'))) best = [key, item];
    }
    return best === undefined ? new Undefined('No aggregated item, sequence was empty.') : best[1];
  };

const sumFilter: FilterFunction = (value, args) => {
  const [attribute = null, start = 0n] = bind(
    'sum',
    [
      ['attribute', null],
      ['start', 0n],
    ],
    args,
  );
  const read = reader(attribute);
  if (typeof start === 'string') throw new JinjaError("sum() can't sum strings [use ''.join(seq) instead]");
  let total: Value = start;
  for (const item of iterate(value)) total = operate('+', total, read(item));
  return total;
};

const groupFilter: FilterFunction = (value, args) => {
  const parameters = ['attribute', ['default', null], ['case_sensitive', false]] as const;
  const [attribute = null, fallback = null, caseSensitive = false] = bind('groupby', parameters, args);
  const [read, fold] = [reader(attribute, fallback), caseOf(caseSensitive)];
  const key = (item: Value): Value => fold(read(item));
  const groups: { readonly key: Value; readonly items: Value[] }[] = [];
  for (const item of sorted(listOf(value), key, false)) {
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last.key, key(item))) last.items.push(item);
    else groups.push({ key: key(item), items: [item] });
  }
  return groups.map(({ items }) => new Group(read(items[0] as Value), items));
};

const batchFilter: FilterFunction = (value, args) => {
  const [count = 1n, fill = null] = bind('batch', ['linecount', ['fill_with', null]], args);
  const size = requireInt(count, 'batch');
  function* batches(): Generator<Value> {
    let batch: Value[] = [];
    for (const item of iterate(value)) {
      if (batch.length === size) {
        yield batch;
        batch = [];
      }
      batch.push(item);
    }
    if (batch.length === 0) return;
    requireLength(size);
    if (fill !== null) while (batch.length < size) batch.push(fill);
    yield batch;
  }
  return generator(batches());
};

const sliceFilter: FilterFunction = (value, args) => {
  const [count = 1n, fill = null] = bind('slice', ['slices', ['fill_with', null]], args);
  const slices = requireInt(count, 'slice');
  function* parts(): Generator<Value> {
    const items = listOf(value);
    requireLength(slices);
    if (slices === 0) throw new JinjaError('integer division or modulo by zero');
    const [size, longer] = [Math.floor(items.length / slices), items.length % slices];
    for (let at = 0, from = 0; at < slices; at++) {
      const part = items.slice(from, from + size + (at < longer ? 1 : 0));
      from += part.length;
      if (fill !== null && at >= longer) part.push(fill);
      yield part;
    }
  }
  return generator(parts());
};

const rest = (args: Arguments, from: number): Arguments => ({
  positional: args.positional.slice(from),
  named: args.named,
});

function mapper(args: Arguments, callFilter: CallFilter): (item: Value) => Value {
  const [name] = args.positional;
  if (name === undefined) {
    const [attribute = null, fallback = null] = bind('map', ['attribute', ['default', null]], args);
    return reader(attribute, fallback);
  }
  if (typeof name !== 'string') return unsupported('a filter whose name is not a text');
  return (item) => callFilter(name, item, rest(args, 1));
}

const mapFilter =
  (callFilter: CallFilter): FilterFunction =>
  (value, args) => {
    function* mapped(): Generator<Value> {
      if (!isTrue(value)) return;
      const change = mapper(args, callFilter);
      for (const item of iterate(value)) yield change(item);
    }
    return generator(mapped());
  };

function selector(args: Arguments, byAttribute: boolean): (item: Value) => boolean {
  const at = byAttribute ? 1 : 0;
  const [attribute, name] = [byAttribute ? args.positional[0] : null, args.positional[at]];
  if (attribute === undefined) throw new JinjaError('Missing parameter for attribute name');
  const read = reader(attribute);
  if (name === undefined) return (item) => isTrue(read(item));
  if (typeof name !== 'string') return unsupported('a test whose name is not a text');
  return (item) => callTest(name, read(item), rest(args, at + 1));
}

const selectFilter =
  (keeps: boolean, byAttribute: boolean): FilterFunction =>
  (value, args) => {
    function* selected(): Generator<Value> {
      if (!isTrue(value)) return;
      const test = selector(args, byAttribute);
      for (const item of iterate(value)) if (test(item) === keeps) yield item;
    }
    return generator(selected());
  };

/** The filters of lists; `map` calls others. */
export const listFilters = (callFilter: CallFilter): Readonly<Record<string, FilterFunction>> => ({
  batch: batchFilter,
  dictsort: dictSortFilter,
  first: firstFilter,
  groupby: groupFilter,
  items: itemsFilter,
  join: joinFilter,
  last: lastFilter,
  list: listFilter,
  map: mapFilter(callFilter),
  max: extreme('max', (difference) => difference > 0),
  min: extreme('min', (difference) => difference < 0),
  reject: selectFilter(false, false),
  rejectattr: selectFilter(false, true),
  reverse: reverseFilter,
  select: selectFilter(true, false),
  selectattr: selectFilter(true, true),
  slice: sliceFilter,
  sort: sortFilter,
  sum: sumFilter,
  unique: uniqueFilter,
});
