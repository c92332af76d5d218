/** Checks options against a table of their fields and reports every wrong key with its fix in one error. */
import { InvalidRequestError } from './errors.js';
import { nearest } from './nearest.js';
import { describeValue } from './shown.js';

/** The values that a field takes. */
export interface Kind {
  /** Completes "must be …". */
  readonly words: string;
  readonly fits: (value: unknown) => boolean;
  /** The fields of an object, which may have no others. */
  readonly fields?: FieldKinds;
  /** The kind of each member of a list. */
  readonly members?: Kind;
  /** Chooses the kind for a value. */
  readonly choose?: (value: unknown) => Kind | undefined;
  /** Finds what is wrong within a value that fits. */
  readonly problems?: (value: unknown) => readonly Problem[];
  /** True when the field may not be absent. */
  readonly isRequired?: boolean;
}

type FieldKinds = Readonly<Record<string, Kind>>;

/** One kind for every key of an options type: an option without a kind does not compile. */
export type Fields<Options> = { readonly [Key in keyof Options]-?: Kind };

export const text: Kind = { words: 'a text', fits: (value) => typeof value === 'string' };
export const flag: Kind = { words: 'true or false', fits: (value) => typeof value === 'boolean' };
export const number: Kind = { words: 'a number', fits: (value) => typeof value === 'number' };
export const callback: Kind = { words: 'a function', fits: (value) => typeof value === 'function' };

export const wholeNumber: Kind = {
  words: 'a whole number of at least 0',
  fits: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

/** A number that crosses to the engine in 32 bits, where a larger one would wrap around. */
export const count: Kind = {
  words: 'a whole number in [0, 2^32)',
  fits: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32,
};

export const positiveNumber: Kind = {
  words: 'a whole number above 0',
  fits: (value) => Number.isSafeInteger(value) && (value as number) > 0,
};

export const share: Kind = {
  words: 'a number in [0, 1]',
  fits: (value) => typeof value === 'number' && value >= 0 && value <= 1,
};

export const notNegative: Kind = {
  words: 'a finite number of at least 0',
  fits: (value) => Number.isFinite(value) && (value as number) >= 0,
};

export const finiteNumber: Kind = { words: 'a finite number', fits: (value) => Number.isFinite(value) };

/** An AbortSignal, also of another realm. */
export const abortSignal: Kind = {
  words: 'an AbortSignal',
  fits: (value) =>
    isObject(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function',
};

export const int32Array: Kind = { words: 'an Int32Array', fits: (value) => value instanceof Int32Array };
export const float32Array: Kind = { words: 'a Float32Array', fits: (value) => value instanceof Float32Array };
export const uint8Array: Kind = { words: 'a Uint8Array', fits: (value) => value instanceof Uint8Array };

export function oneOf(...values: readonly string[]): Kind {
  return { words: values.map((value) => `'${value}'`).join(' or '), fits: (value) => values.includes(value as string) };
}

/** An object with any fields. */
export const anyRecord: Kind = { words: 'an object', fits: isObject };

/** An object with these methods, whatever else it has. */
export function withMethods(words: string, ...names: readonly string[]): Kind {
  const list = `${words} with ${names.map((name) => `\`${name}\``).join(', ')}`;
  return { words: list, fits: (value) => isObject(value) && names.every((name) => typeof value[name] === 'function') };
}

/** An object with these fields and no others. */
export const record = (fields: FieldKinds): Kind => ({ ...anyRecord, fields });

/** A list of members of this kind. */
export const listOf = (members: Kind): Kind => ({ words: 'a list', fits: Array.isArray, members });

/** A value whose form decides its kind; `choose` returns undefined for an invalid form. */
export function chosenBy(words: string, choose: (value: unknown) => Kind | undefined): Kind {
  return { words, fits: (value) => choose(value) !== undefined, choose };
}

/** Marks a field that may not be absent. */
export const required = (kind: Kind): Kind => ({ ...kind, isRequired: true });

/** Maps keys of other libraries to ours. */
type Renamed = Readonly<Record<string, string>>;

/** One wrong key: its path, and the reason with the fix. */
export interface Problem {
  readonly key: string;
  readonly reason: string;
}

/**
 * Requires an object of these fields. `subject` names the call in the message; `elsewhere` maps keys of other libraries to
 * ours.
 * @throws InvalidRequestError: `fields.key` and `fields.reason` hold the first problem, `fields.problems` all.
 */
export function requireFields<Options>(
  subject: string,
  value: unknown,
  fields: Fields<Options>,
  elsewhere: Renamed = {},
): void {
  const problems = findProblems(record(fields), value, '', elsewhere);
  const [first] = problems;
  if (first === undefined) return;
  const lines = problems.map(({ key, reason }) => (key === '' ? `the argument ${reason}` : `\`${key}\`: ${reason}`));
  const summary = problems.length === 1 ? lines[0] : `${problems.length} problems\n  ${lines.join('\n  ')}`;
  throw new InvalidRequestError('INVALID_REQUEST', `${subject}: ${summary}`, { ...first, problems });
}

/**
 * Requires an object that has these parts; it may have others, except a misspelt name of a part that is missing.
 * @throws InvalidRequestError as `requireFields` does.
 */
export function requireParts(subject: string, value: unknown, parts: FieldKinds): void {
  requireFields<FieldKinds>(subject, isObject(value) ? partsOf(value, parts) : value, parts);
}

function partsOf(value: Readonly<Record<string, unknown>>, parts: FieldKinds): Readonly<Record<string, unknown>> {
  const absent = Object.keys(parts).filter((key) => value[key] === undefined);
  const isPart = (key: string): boolean => Object.hasOwn(parts, key) || nearest(key, absent) !== undefined;
  const given = [...Object.keys(parts), ...Object.keys(value).filter(isPart)];
  return Object.fromEntries(given.map((key) => [key, value[key]]));
}

/** Checks a single argument, passed as `{ temperature }`. @throws InvalidRequestError as `requireFields` does. */
export function requireArgument(subject: string, argument: Readonly<Record<string, unknown>>, kind: Kind): void {
  const wrong = Object.entries(argument).some(([, value]) => !isPlain(kind) || !kind.fits(value));
  if (!wrong) return;
  const fields = Object.fromEntries(Object.keys(argument).map((key) => [key, required(kind)]));
  requireFields<typeof argument>(subject, argument, fields);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function findProblems(kind: Kind, value: unknown, key: string, elsewhere: Renamed = {}): readonly Problem[] {
  if (!kind.fits(value)) return [{ key, reason: `must be ${kind.words}, not ${describeValue(value)}` }];
  const { fields, members, choose } = kind;
  if (kind.problems) return kind.problems(value).map((problem) => ({ ...problem, key: `${key}${problem.key}` }));
  if (members) return memberProblems(members, value as readonly unknown[], key, elsewhere);
  if (fields) return fieldProblems(fields, value as Readonly<Record<string, unknown>>, key, elsewhere);
  const chosen = choose?.(value);
  return chosen ? findProblems(chosen, value, key, elsewhere) : [];
}

/** Allocates nothing for a member that fits, because a list may hold a long prompt's tokens. */
function memberProblems(kind: Kind, members: readonly unknown[], path: string, elsewhere: Renamed): readonly Problem[] {
  const problems: Problem[] = [];
  const plain = isPlain(kind);
  for (const [at, member] of members.entries()) {
    if (!plain || !kind.fits(member)) problems.push(...findProblems(kind, member, `${path}[${at}]`, elsewhere));
  }
  return problems;
}

function fieldProblems(
  fields: FieldKinds,
  value: Readonly<Record<string, unknown>>,
  path: string,
  elsewhere: Renamed,
): readonly Problem[] {
  const problems: Problem[] = [];
  const joinPath = (key: string): string => (path === '' ? key : `${path}.${key}`);
  for (const key in value) {
    if (value[key] === undefined) continue;
    const kind = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (kind === undefined) problems.push({ key: joinPath(key), reason: unknownReason(key, fields, elsewhere) });
    else if (!isPlain(kind) || !kind.fits(value[key]))
      problems.push(...findProblems(kind, value[key], joinPath(key), elsewhere));
  }
  for (const key in fields) {
    const kind = fields[key];
    if (kind?.isRequired && value[key] === undefined) {
      problems.push({ key: joinPath(key), reason: `is missing; it must be ${kind.words}` });
    }
  }
  return problems;
}

const isPlain = ({ fields, members, choose, problems }: Kind): boolean => !fields && !members && !choose && !problems;

/** Explains an unknown key: it belongs in a nested object, is another library's name, or is misspelt. */
function unknownReason(key: string, fields: FieldKinds, elsewhere: Renamed): string {
  const nested = Object.keys(fields).find((name) => Object.hasOwn(fields[name]?.fields ?? {}, key));
  if (nested !== undefined) return `belongs in \`${nested}\`: write \`${nested}: { ${key}: … }\``;
  const renamed = Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined;
  const [outermost = ''] = renamed?.split('.') ?? [];
  const known = Object.hasOwn(fields, outermost) ? renamed : nearest(key, Object.keys(fields));
  if (known !== undefined) return `unknown option; did you mean \`${known}\`?`;
  return `unknown option; known are ${Object.keys(fields).join(', ')}`;
}
