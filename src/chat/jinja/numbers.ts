/** Numbers as Python has them: an int is a bigint, a float a number. */
import { pythonFloat } from '../../exact-json.js';
import { JinjaError, unsupported } from './budget.js';

export { pythonFloat };

/** Most digits that Python writes of an int. */
const mostDigits = 4300;

/** The text of an int. @throws JinjaError beyond Python's limit. */
export function intText(value: bigint): string {
  const text = value.toString();
  if (text.length > mostDigits + 1)
    throw new JinjaError(`Exceeds the limit (${mostDigits} digits) for integer string conversion`);
  return text;
}

const zeroDivision = (words: string): never => {
  throw new JinjaError(words);
};

/** `left // right` of ints, rounded down. */
export function floorDivideInts(left: bigint, right: bigint): bigint {
  if (right === 0n) zeroDivision('integer division or modulo by zero');
  const quotient = left / right;
  return left % right !== 0n && left < 0n !== right < 0n ? quotient - 1n : quotient;
}

/** `left % right` of ints, with the sign of `right`. */
export const moduloInts = (left: bigint, right: bigint): bigint => left - floorDivideInts(left, right) * right;

/** `left % right` of floats, with the sign of `right`. */
export function moduloFloats(left: number, right: number): number {
  if (right === 0) zeroDivision('float modulo');
  const rest = left % right;
  if (rest === 0) return right < 0 ? -0 : 0;
  return rest < 0 !== right < 0 ? rest + right : rest;
}

/** `left // right` of floats, as CPython computes it. */
export function floorDivideFloats(left: number, right: number): number {
  if (right === 0) zeroDivision('float floor division by zero');
  const rest = left % right;
  const division = (left - rest) / right - (rest !== 0 && rest < 0 !== right < 0 ? 1 : 0);
  if (division === 0) return left / right < 0 ? -0 : 0;
  const floor = Math.floor(division);
  return division - floor > 0.5 ? floor + 1 : floor;
}

/** A float of an int. @throws JinjaError where it is too large. */
export function toFloat(value: bigint | number): number {
  const float = Number(value);
  if (typeof value === 'bigint' && !Number.isFinite(float)) throw new JinjaError('int too large to convert to float');
  return float;
}

/** `left / right`. */
export function trueDivide(left: bigint | number, right: bigint | number): number {
  if (Number(right) === 0)
    zeroDivision(typeof left === 'bigint' && typeof right === 'bigint' ? 'division by zero' : 'float division by zero');
  const isExact = (value: bigint | number): boolean => typeof value === 'number' || Number.isSafeInteger(Number(value));
  if (typeof left === 'bigint' && typeof right === 'bigint' && !(isExact(left) && isExact(right))) {
    unsupported('the division of ints beyond 2^53');
  }
  return toFloat(left) / toFloat(right);
}

/** Largest exponent of an int power: its digits stay few. */
const mostBits = 1 << 16;

/** `left ** right`. */
export function power(left: bigint | number, right: bigint | number): bigint | number {
  if (typeof left === 'bigint' && typeof right === 'bigint' && right >= 0n) {
    if (BigInt(left.toString(2).length) * right > BigInt(mostBits)) throw new JinjaError('the power is too large');
    return left ** right;
  }
  const [base, exponent] = [toFloat(left), toFloat(right)];
  if (base === 0 && exponent < 0) zeroDivision('0.0 cannot be raised to a negative power');
  if (base < 0 && !Number.isInteger(exponent)) unsupported('a complex number');
  const result = base ** exponent;
  if (!Number.isFinite(result) && Number.isFinite(base) && Number.isFinite(exponent))
    throw new JinjaError('Numerical result out of range');
  // JavaScript leaves the last bit of a power to the engine; whole numbers and halves are exact.
  if (!Number.isInteger(result) && !Number.isInteger(1 / result)) unsupported('a power that is not a whole number');
  return result;
}

/** Mantissa and exponent of a finite float: value = mantissa * 2 ** exponent. */
function binaryParts(value: number): [mantissa: bigint, exponent: number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = exponent === 0 ? fraction : fraction | 0x10000000000000n;
  return [value < 0 ? -mantissa : mantissa, Math.max(exponent, 1) - 1075];
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const floor = floorDivideInts(numerator, denominator);
  const twice = (numerator - floor * denominator) * 2n;
  return twice > denominator || (twice === denominator && floor % 2n !== 0n) ? floor + 1n : floor;
}

/** value * 10 ** digits, rounded half to even. */
function scaled(value: bigint | number, digits: number): bigint {
  const [mantissa, exponent] = typeof value === 'bigint' ? [value, 0] : binaryParts(value);
  const numerator = mantissa * 2n ** BigInt(Math.max(exponent, 0)) * 10n ** BigInt(Math.max(digits, 0));
  return divideHalfEven(numerator, 2n ** BigInt(Math.max(-exponent, 0)) * 10n ** BigInt(Math.max(-digits, 0)));
}

const mostPlaces = 400;

/** The decimal text of a number with so many digits behind the point, as `%.2f` writes it. */
export function fixedText(value: bigint | number, digits: number): string {
  if (digits > mostPlaces) unsupported(`a precision of ${digits}`);
  if (typeof value === 'number' && !Number.isFinite(value)) return pythonFloat(value);
  const whole = scaled(value, digits);
  const sign = whole < 0n || (whole === 0n && (Object.is(value, -0) || value < 0)) ? '-' : '';
  const text = (whole < 0n ? -whole : whole).toString().padStart(digits + 1, '0');
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Python's `round(value, digits)`: half to even, an int of an int. */
export function roundNumber(value: bigint | number, digits: number): bigint | number {
  if (typeof value === 'bigint') return digits >= 0 ? value : scaled(value, digits) * 10n ** BigInt(-digits);
  if (!Number.isFinite(value) || digits > 323) return value;
  if (digits < -308) return value * 0;
  if (digits >= 0) return Number(fixedText(value, digits));
  const rounded = Number(scaled(value, digits) * 10n ** BigInt(-digits));
  return rounded === 0 && value < 0 ? -0 : rounded;
}

/** The int before the point. @throws JinjaError for what is not finite. */
export function truncate(value: number): bigint {
  if (Number.isNaN(value)) throw new JinjaError('cannot convert float NaN to integer');
  if (!Number.isFinite(value)) throw new JinjaError('cannot convert float infinity to integer');
  return BigInt(Math.trunc(value));
}

const digitsOf: Readonly<Record<number, string>> = { 2: '[01]', 8: '[0-7]', 10: '[0-9]', 16: '[0-9a-f]' };
const prefixOf: Readonly<Record<number, string>> = { 2: '0b', 8: '0o', 16: '0x' };

/** Python's `int(text, base)`; undefined where the text is no int. */
export function parseInt_(text: string, base: number): bigint | undefined {
  const digits = digitsOf[base];
  if (digits === undefined) unsupported(`the base ${base}`);
  if (/\p{Nd}/u.test(text.replace(/[0-9]/g, ''))) unsupported('an int of digits that are not ASCII');
  const prefix = prefixOf[base] === undefined ? '' : `(?:${prefixOf[base]}_?)?`;
  const found = new RegExp(`^([+-]?)${prefix}(${digits}+(?:_${digits}+)*)$`, 'i').exec(text);
  if (found === null) return undefined;
  const plain = (found[2] ?? '').replaceAll('_', '');
  if (plain.length > mostDigits) throw new JinjaError('Exceeds the limit (4300 digits) for integer string conversion');
  const value = BigInt((prefixOf[base] ?? '') + plain);
  return found[1] === '-' ? -value : value;
}

/** Python's `float(text)`; undefined where the text is no number. */
export function parseFloat_(text: string): number | undefined {
  if (/\p{Nd}/u.test(text.replace(/[0-9]/g, ''))) unsupported('a float of digits that are not ASCII');
  const named = /^([+-]?)(nan|inf|infinity)$/i.exec(text);
  if (named !== null) return named[2]?.toLowerCase() === 'nan' ? Number.NaN : named[1] === '-' ? -Infinity : Infinity;
  const digits = '[0-9](?:_?[0-9])*';
  const form = new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:e[+-]?${digits})?$`, 'i');
  return form.test(text) ? Number(text.replaceAll('_', '')) : undefined;
}
