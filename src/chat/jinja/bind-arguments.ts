/** Binds the arguments of a call to the parameters of a Python function. */
import { JinjaError } from './budget.js';
import { type Arguments, isNumber, numeric, typeName, Undefined, type Value } from './values.js';

/** A parameter: its name, and its value where the call leaves it out. */
export type Parameter = string | readonly [name: string, fallback: Value];

const nameOf = (parameter: Parameter): string => (typeof parameter === 'string' ? parameter : parameter[0]);

/** The values of the parameters, in order. @throws JinjaError for arguments that do not fit. */
export function bind(name: string, parameters: readonly Parameter[], { positional, named }: Arguments): Value[] {
  if (positional.length > parameters.length) {
    throw new JinjaError(`${name}() takes ${parameters.length} arguments but ${positional.length} were given`);
  }
  const names = parameters.map(nameOf);
  for (const key of named.keys()) {
    const at = names.indexOf(key);
    if (at < 0) throw new JinjaError(`${name}() got an unexpected keyword argument '${key}'`);
    if (at < positional.length) throw new JinjaError(`${name}() got multiple values for argument '${key}'`);
  }
  return parameters.map((parameter, at) => {
    const given = at < positional.length ? positional[at] : named.get(nameOf(parameter));
    if (given !== undefined) return given;
    if (typeof parameter !== 'string') return parameter[1];
    throw new JinjaError(`${name}() missing 1 required argument: '${parameter}'`);
  });
}

/** As `bind`, for a function of C, whose parameters have no names. */
export function bindPositional(name: string, parameters: readonly Parameter[], args: Arguments): Value[] {
  if (args.named.size > 0) throw new JinjaError(`${name}() takes no keyword arguments`);
  return bind(name, parameters, args);
}

/** The value as a text of Python's type str. */
export function requireText(value: Value, subject: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`${subject} must be str, not ${typeName(value)}`);
}

/** The value as an int that fits a JavaScript number; larger ones are cut to the nearest that does. */
export function requireInt(value: Value, subject: string): number {
  if (typeof value === 'bigint' || typeof value === 'boolean') {
    const number = Number(value);
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, number));
  }
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`${subject}: '${typeName(value)}' object cannot be interpreted as an integer`);
}

/** The value as an int or a float. */
export function requireNumber(value: Value, subject: string): bigint | number {
  if (isNumber(value)) return numeric(value);
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`${subject}: must be a number, not ${typeName(value)}`);
}
