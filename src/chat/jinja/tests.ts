/** Jinja's tests: `value is name`. */
import { bind, type Parameter } from './bind-arguments.js';
import { JinjaError, unsupported } from './budget.js';
import { filterNames, testNames } from './names.js';
import { operate } from './operators.js';
import { compareValues, contains, isEqual } from './ordering.js';
import { hasOnlyCase } from './python-text.js';
import { toText } from './show.js';
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  HostObject,
  isNumber,
  iteratorOf,
  Markup,
  sizeOf,
  Undefined,
  type Value,
} from './values.js';

type Test = (value: Value, args: Arguments) => boolean;

const alone =
  (name: string, holds: (value: Value) => boolean): Test =>
  (value, args) => {
    bind(name, [], args);
    return holds(value);
  };

const withOther =
  (name: string, parameter: Parameter, holds: (value: Value, other: Value) => boolean): Test =>
  (value, args) => {
    const [other = null] = bind(name, [parameter], args);
    return holds(value, other);
  };

const compared = (name: string, sign: string, holds: (difference: number) => boolean): Test =>
  withOther(name, 'other', (value, other) => holds(compareValues(value, other, sign)));

const remainderIs = (value: Value, divisor: bigint, rest: bigint): boolean =>
  isEqual(operate('%', value, divisor), rest);

/** Whether two values are one object: only for those of which Python has one. */
function isSameObject(value: Value, other: Value): boolean {
  const unique = [value, other].some((one) => one === null || typeof one === 'boolean');
  if (unique) return value === other;
  return unsupported('`sameas` of values other than true, false and none');
}

const isSequence = (value: Value): boolean => sizeOf(value) !== undefined && !(value instanceof DictView);

const isCallable = (value: Value): boolean =>
  value instanceof Callable || value instanceof Undefined || (value instanceof HostObject && value.call !== undefined);

const textOfName = (value: Value, names: ReadonlySet<string>): boolean => typeof value === 'string' && names.has(value);

const equal = withOther('eq', 'other', isEqual);
const unequal = withOther('ne', 'other', (value, other) => !isEqual(value, other));
const [greater, atLeast] = [compared('gt', '>', (sign) => sign > 0), compared('ge', '>=', (sign) => sign >= 0)];
const [less, atMost] = [compared('lt', '<', (sign) => sign < 0), compared('le', '<=', (sign) => sign <= 0)];

const tests: Readonly<Record<string, Test>> = {
  odd: alone('odd', (value) => remainderIs(value, 2n, 1n)),
  even: alone('even', (value) => remainderIs(value, 2n, 0n)),
  divisibleby: withOther('divisibleby', 'num', (value, num) => isEqual(operate('%', value, num), 0n)),
  defined: alone('defined', (value) => !(value instanceof Undefined)),
  undefined: alone('undefined', (value) => value instanceof Undefined),
  filter: alone('filter', (value) => textOfName(value, filterNames)),
  test: alone('test', (value) => textOfName(value, testNames)),
  none: alone('none', (value) => value === null),
  boolean: alone('boolean', (value) => typeof value === 'boolean'),
  false: alone('false', (value) => value === false),
  true: alone('true', (value) => value === true),
  integer: alone('integer', (value) => typeof value === 'bigint'),
  float: alone('float', (value) => typeof value === 'number'),
  lower: alone('lower', (value) => hasOnlyCase(toText(value), 'lower')),
  upper: alone('upper', (value) => hasOnlyCase(toText(value), 'upper')),
  string: alone('string', (value) => typeof value === 'string' || value instanceof Markup),
  mapping: alone('mapping', (value) => value instanceof Dict),
  number: alone('number', isNumber),
  sequence: alone('sequence', isSequence),
  iterable: alone('iterable', (value) => iteratorOf(value) !== undefined || value instanceof Markup),
  callable: alone('callable', isCallable),
  sameas: withOther('sameas', 'other', isSameObject),
  escaped: alone('escaped', (value) => value instanceof Markup),
  in: withOther('in', 'seq', (value, container) => contains(container, value)),
  '==': equal,
  eq: equal,
  equalto: equal,
  '!=': unequal,
  ne: unequal,
  '>': greater,
  gt: greater,
  greaterthan: greater,
  ge: atLeast,
  '>=': atLeast,
  '<': less,
  lt: less,
  lessthan: less,
  '<=': atMost,
  le: atMost,
};

/** `value is name(args)`. @throws JinjaError. */
export function callTest(name: string, value: Value, args: Arguments): boolean {
  const test = Object.hasOwn(tests, name) ? tests[name] : undefined;
  if (test === undefined) throw new JinjaError(`No test named '${name}' found.`);
  return test(value, args);
}
