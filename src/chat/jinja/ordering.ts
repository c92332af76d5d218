/** Equality, order and membership, as Python defines them. */
import { JinjaError, tick } from './budget.js';
import { compareTexts } from './python-text.js';
import {
  Dict,
  DictView,
  isNumber,
  iterate,
  iteratorOf,
  numeric,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js';

function equalLists(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((one, at) => isSame(one, right[at] as Value));
}

function equalDicts(left: Dict, right: Dict): boolean {
  if (left.size !== right.size) return false;
  return Array.from(left.items()).every(([key, value]) => {
    const other = right.get(key);
    return other !== undefined && isSame(value, other);
  });
}

const equalRanges = (left: Range, right: Range): boolean =>
  left.length === right.length &&
  (left.length === 0 || (left.start === right.start && (left.length === 1 || left.step === right.step)));

/** Members of containers are equal when they are one object, even NaN. */
const isSame = (left: Value, right: Value): boolean => Object.is(left, right) || isEqual(left, right);

/** Python's `==`. */
export function isEqual(left: Value, right: Value): boolean {
  tick();
  if (isNumber(left) && isNumber(right)) return Number.isNaN(left) ? false : compareNumbers(left, right) === 0;
  if (Array.isArray(left) && Array.isArray(right)) return equalLists(left, right);
  if (left instanceof Tuple && right instanceof Tuple) return equalLists(left.items, right.items);
  if (left instanceof Dict && right instanceof Dict) return equalDicts(left, right);
  if (left instanceof Range && right instanceof Range) return equalRanges(left, right);
  if (left instanceof Undefined && right instanceof Undefined) return true;
  if (left instanceof DictView || right instanceof DictView) {
    if (left === right) return true;
    throw new JinjaError('the comparison of dict views is not supported');
  }
  return left === right;
}

function compareNumbers(left: boolean | bigint | number, right: boolean | bigint | number): number {
  const [a, b] = [numeric(left), numeric(right)];
  if (a < b) return -1;
  return a > b ? 1 : Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : 0;
}

function compareLists(left: readonly Value[], right: readonly Value[], sign: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const [one, other] = [left[at] as Value, right[at] as Value];
    if (!isSame(one, other)) return compareValues(one, other, sign);
  }
  return left.length - right.length;
}

/** Below, equal or above zero; NaN where neither is true. @throws JinjaError for values without an order. */
export function compareValues(left: Value, right: Value, sign = '<'): number {
  tick();
  for (const value of [left, right]) if (value instanceof Undefined) value.fail();
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right);
  if (typeof left === 'string' && typeof right === 'string') return compareTexts(left, right);
  if (Array.isArray(left) && Array.isArray(right)) return compareLists(left, right, sign);
  if (left instanceof Tuple && right instanceof Tuple) return compareLists(left.items, right.items, sign);
  const types = `'${typeName(left)}' and '${typeName(right)}'`;
  throw new JinjaError(`'${sign}' not supported between instances of ${types}`);
}

/** Python's `sorted`, stable: equal keys keep their order, also in reverse. */
export function sorted<Item>(items: readonly Item[], key: (item: Item) => Value, reverse: boolean): Item[] {
  const keyed = items.map((item): readonly [Value, Item] => [key(item), item]);
  const ordered = (left: Value, right: Value): number => {
    const difference = compareValues(left, right);
    if (Number.isNaN(difference)) throw new JinjaError('the order of NaN is not supported');
    return difference;
  };
  keyed.sort(([left], [right]) => (reverse ? ordered(right, left) : ordered(left, right)));
  return keyed.map(([, item]) => item);
}

/** Python's `value in container`. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === 'string') {
    if (typeof value === 'string') return container.includes(value);
    throw new JinjaError(`'in <string>' requires string as left operand, not ${typeName(value)}`);
  }
  if (container instanceof Dict) return container.has(value);
  if (container instanceof DictView && container.kind === 'keys') return container.dict.has(value);
  if (iteratorOf(container) === undefined)
    throw new JinjaError(`argument of type '${typeName(container)}' is not iterable`);
  for (const one of iterate(container)) if (isSame(one, value)) return true;
  return false;
}
