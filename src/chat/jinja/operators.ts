/** Arithmetic, and what it means for texts and lists. */
import { bounded, JinjaError, requireLength } from './budget.js';
import { formatPercent } from './format-percent.js';
import { floorDivideFloats, floorDivideInts, moduloFloats, moduloInts, power, toFloat, trueDivide } from './numbers.js';
import { isNumber, Markup, numeric, Tuple, typeName, Undefined, type Value } from './values.js';

type Numeric = bigint | number;

/** An operation of two numbers: of two ints, or of two floats. */
interface Arithmetic {
  readonly ints: (left: bigint, right: bigint) => bigint;
  readonly floats: (left: number, right: number) => number;
}

const arithmetic: Readonly<Record<string, Arithmetic>> = {
  '+': { ints: (left, right) => left + right, floats: (left, right) => left + right },
  '-': { ints: (left, right) => left - right, floats: (left, right) => left - right },
  '*': { ints: (left, right) => left * right, floats: (left, right) => left * right },
  '//': { ints: floorDivideInts, floats: floorDivideFloats },
  '%': { ints: moduloInts, floats: moduloFloats },
};

/** Longest int, in bits: a product of such is cheap. */
const mostBits = 1n << 16n;

function numbers(operator: string, left: Numeric, right: Numeric): Value {
  if (operator === '/') return trueDivide(left, right);
  if (operator === '**') return power(left, right);
  const { ints, floats } = arithmetic[operator] as Arithmetic;
  if (typeof left !== 'bigint' || typeof right !== 'bigint') return floats(toFloat(left), toFloat(right));
  const result = ints(left, right);
  if (result > 1n << mostBits || -result > 1n << mostBits) throw new JinjaError('an int is too large');
  return result;
}

/** A text or list so many times. */
function repeated(sequence: string | readonly Value[], times: bigint): string | Value[] {
  if (times >= 2n ** 63n || times < -(2n ** 63n)) throw new JinjaError("cannot fit 'int' into an index-sized integer");
  const count = times < 0n ? 0n : times;
  const length = count * BigInt(sequence.length);
  requireLength(Number(length));
  if (typeof sequence === 'string') return sequence.length === 0 ? '' : sequence.repeat(Number(count));
  return sequence.length === 0
    ? []
    : Array.from({ length: Number(length) }, (_, at) => sequence[at % sequence.length] as Value);
}

const asTimes = (value: Value): bigint | undefined =>
  typeof value === 'bigint' || typeof value === 'boolean' ? BigInt(value) : undefined;

function multiply(left: Value, right: Value): Value | undefined {
  const [sequence, times] = asTimes(left) === undefined ? [left, asTimes(right)] : [right, asTimes(left)];
  if (times === undefined) return undefined;
  if (typeof sequence === 'string' || Array.isArray(sequence)) return repeated(sequence, times);
  return sequence instanceof Tuple ? new Tuple(repeated(sequence.items, times) as Value[]) : undefined;
}

function add(left: Value, right: Value): Value | undefined {
  if (typeof left === 'string' && typeof right === 'string') return bounded(left + right);
  if (Array.isArray(left) && Array.isArray(right)) return bounded([...left, ...right]);
  return left instanceof Tuple && right instanceof Tuple
    ? new Tuple(bounded([...left.items, ...right.items]))
    : undefined;
}

/** Python's `left operator right`. @throws JinjaError for operands that it does not have. */
export function operate(operator: string, left: Value, right: Value): Value {
  if (left instanceof Undefined) left.fail();
  if (operator === '%' && typeof left === 'string') return formatPercent(left, right);
  if (right instanceof Undefined) right.fail();
  if (isNumber(left) && isNumber(right)) return numbers(operator, numeric(left), numeric(right));
  if (left instanceof Markup || right instanceof Markup)
    throw new JinjaError('an operation on marked HTML is not supported');
  const result = operator === '+' ? add(left, right) : operator === '*' ? multiply(left, right) : undefined;
  if (result !== undefined) return result;
  const types = `'${typeName(left)}' and '${typeName(right)}'`;
  throw new JinjaError(`unsupported operand type(s) for ${operator}: ${types}`);
}

/** Python's `-value` and `+value`. */
export function signed(operator: string, value: Value): Value {
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) throw new JinjaError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  const number = numeric(value);
  return operator === '-' ? -number : number;
}
