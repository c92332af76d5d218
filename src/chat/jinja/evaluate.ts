/** Computes expressions. */
import { getAttribute, getItem, getSlice } from './attributes.js';
import { bounded, JinjaError, requireLength, tick, unsupported } from './budget.js';
import { callFilter } from './filters.js';
import type { CallArguments, Expression, Filter, Slice } from './nodes.js';
import { operate, signed } from './operators.js';
import { compareValues, contains, isEqual } from './ordering.js';
import type { Scope } from './scope.js';
import { toText } from './show.js';
import { callTest } from './tests.js';
import {
  type Arguments,
  Callable,
  Dict,
  HostObject,
  isTrue,
  iterate,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js';

/** Jinja gives every template that reads `self` an object of its blocks, which prints; there are no blocks here. */
function readName(name: string, scope: Scope): Value {
  const value = scope.get(name);
  if (name === 'self' && value instanceof Undefined) unsupported('`self`');
  return value;
}

/** The value of an expression. @throws JinjaError. */
export function evaluate(expression: Expression, scope: Scope): Value {
  tick();
  switch (expression.kind) {
    case 'constant':
      return expression.value;
    case 'name':
      return readName(expression.name, scope);
    case 'list':
      return evaluateAll(expression.items, scope);
    case 'tuple':
      return new Tuple(evaluateAll(expression.items, scope));
    case 'dict':
      return new Dict(expression.items.map(([key, value]) => [evaluate(key, scope), evaluate(value, scope)]));
    case 'concat':
      return bounded(evaluateAll(expression.items, scope).map(toText).join(''));
    case 'attribute':
      return getAttribute(evaluate(expression.of, scope), expression.name);
    case 'item':
      return getItem(evaluate(expression.of, scope), evaluate(expression.key, scope));
    case 'slice':
      return evaluateSlice(expression, scope);
    case 'call':
      return callValue(evaluate(expression.of, scope), evaluateArguments(expression.args, scope));
    case 'filter':
      return evaluateFilter(expression, scope, undefined);
    case 'test':
      return callTest(expression.name, evaluate(expression.of, scope), evaluateArguments(expression.args, scope));
    default:
      return evaluateOperation(expression, scope);
  }
}

type Operation = Extract<Expression, { kind: 'not' | 'and' | 'or' | 'sign' | 'arithmetic' | 'compare' | 'choice' }>;

function evaluateOperation(expression: Operation, scope: Scope): Value {
  switch (expression.kind) {
    case 'not':
      return !isTrue(evaluate(expression.of, scope));
    case 'and': {
      const left = evaluate(expression.left, scope);
      return isTrue(left) ? evaluate(expression.right, scope) : left;
    }
    case 'or': {
      const left = evaluate(expression.left, scope);
      return isTrue(left) ? left : evaluate(expression.right, scope);
    }
    case 'sign':
      return signed(expression.operator, evaluate(expression.of, scope));
    case 'arithmetic':
      return operate(expression.operator, evaluate(expression.left, scope), evaluate(expression.right, scope));
    case 'compare':
      return evaluateComparison(expression, scope);
    case 'choice':
      if (isTrue(evaluate(expression.test, scope))) return evaluate(expression.value, scope);
      if (expression.otherwise !== undefined) return evaluate(expression.otherwise, scope);
      return new Undefined('the inline if-expression evaluated to false and no else section was defined.');
  }
}

const evaluateAll = (items: readonly Expression[], scope: Scope): Value[] => items.map((item) => evaluate(item, scope));

function evaluateSlice({ of, start, stop, step }: Slice, scope: Scope): Value {
  const value = evaluate(of, scope);
  const bounds = [start, stop, step].map((bound) => (bound === undefined ? null : evaluate(bound, scope)));
  const [from = null, to = null, by = null] = bounds;
  return getSlice(value, from, to, by);
}

function holds(operator: string, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '<':
      return compareValues(left, right, operator) < 0;
    case '<=':
      return compareValues(left, right, operator) <= 0;
    case '>':
      return compareValues(left, right, operator) > 0;
    default:
      return compareValues(left, right, operator) >= 0;
  }
}

/** A chain: `1 < x < 3` is true where both hold. */
function evaluateComparison({ first, rest }: Extract<Expression, { kind: 'compare' }>, scope: Scope): Value {
  let left = evaluate(first, scope);
  for (const [operator, operand] of rest) {
    const right = evaluate(operand, scope);
    if (!holds(operator, left, right)) return false;
    left = right;
  }
  return true;
}

/** The arguments of a call, those of `*list` and `**dict` among them. */
export function evaluateArguments({ positional, named, list, dict }: CallArguments, scope: Scope): Arguments {
  const values = evaluateAll(positional, scope);
  const names = new Map<string, Value>();
  const add = (name: string, value: Value): void => {
    if (names.has(name)) throw new JinjaError(`got multiple values for keyword argument '${name}'`);
    names.set(name, value);
  };
  for (const [name, value] of named) add(name, evaluate(value, scope));
  if (list !== undefined) values.push(...iterate(evaluate(list, scope)));
  if (dict !== undefined) {
    const given = evaluate(dict, scope);
    if (!(given instanceof Dict)) throw new JinjaError(`argument after ** must be a mapping, not ${typeName(given)}`);
    for (const [name, value] of given.items()) {
      if (typeof name !== 'string') throw new JinjaError('keywords must be strings');
      add(name, value);
    }
  }
  return { positional: values, named: names };
}

/** Calls a value. @throws JinjaError where it cannot be called. */
export function callValue(value: Value, args: Arguments): Value {
  if (value instanceof Callable) return value.call(args);
  if (value instanceof Undefined) value.fail();
  if (value instanceof HostObject && value.call !== undefined) return value.call(args);
  throw new JinjaError(`'${typeName(value)}' object is not callable`);
}

/** Applies a filter; the innermost filter of a block applies to `body`. */
export function evaluateFilter({ of, name, args }: Filter, scope: Scope, body: string | undefined): Value {
  const value = filterInput(of, scope, body);
  const result = callFilter(name, value, evaluateArguments(args, scope));
  if (typeof result === 'string' || Array.isArray(result)) requireLength(result.length);
  return result;
}

function filterInput(of: Expression | undefined, scope: Scope, body: string | undefined): Value {
  if (of === undefined) return body ?? '';
  return of.kind === 'filter' && body !== undefined ? evaluateFilter(of, scope, body) : evaluate(of, scope);
}
