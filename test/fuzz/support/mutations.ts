/** Mutates valid inputs: cuts, doubles and replaces bytes, and replaces JSON values by unexpected ones. */
import fc from 'fast-check';

/** Fragments that have broken parsers. */
const fragments: readonly string[] = [
  ...[
    'null',
    'true',
    '-1',
    '0',
    '1e999',
    '-1e999',
    'NaN',
    '9007199254740993',
    '0x10',
    '.',
    '-',
    '~',
    '""',
    '"\\ud800"',
  ],
  ...['{}', '[]', '[[', '{"a":', '}', ']', ',', ':', '\n', '\r', '\t', '\u0000', '\ufeff', '\u202e', '\u001b[2J'],
  ...['__proto__', 'constructor', '"toString"', '../', '/dev/zero', '*a', '&a ', '<<: ', '!!js/function ', '|', '>'],
  ...['[[a]]', 'a.b.c = 1\n', "'''", '\xff\xfe', '#', '%', '{{ x }}', '{% for %}', '<|im_end|>'],
];

/** Values that replace another in a JSON document. */
const strangers: readonly unknown[] = [
  ...[null, true, '', 'x', 0, -1, 0.5, 1e308, -1e308, 2 ** 53, 2 ** 31, [], {}, [null], [[]], { '': 1 }],
  ...['\u0000', '../../x', '/etc/passwd', 'a'.repeat(10_000), Array(1000).fill(0), nested(2000)],
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

type Edit = { readonly kind: number; readonly at: number; readonly length: number; readonly what: number };

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.nat(6),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(12),
  what: fc.nat(10_000),
});

function applyEdit(bytes: Buffer, other: Buffer, { kind, at, length, what }: Edit): Buffer {
  const from = Math.floor(at * bytes.length);
  const to = Math.min(bytes.length, from + length);
  const piece = Buffer.from(fragments[what % fragments.length] ?? '');
  const around = (...middle: Buffer[]): Buffer =>
    Buffer.concat([bytes.subarray(0, from), ...middle, bytes.subarray(to)]);
  switch (kind) {
    case 0:
      return around();
    case 1:
      return around(Buffer.from([what % 256]));
    case 2:
      return around(piece);
    case 3:
      return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(from)]);
    case 4:
      return bytes.subarray(0, from);
    case 5:
      return around(bytes.subarray(from, to), bytes.subarray(from, to));
    default:
      return Buffer.concat([bytes.subarray(0, from), other.subarray(Math.floor((what / 10_000) * other.length))]);
  }
}

/** Generates a document of the corpus with up to four edits. */
export function mutatedBytes(corpus: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const document = fc.constantFrom(...corpus);
  return fc
    .tuple(document, document, fc.array(edit, { maxLength: 4 }))
    .map(([first, other, edits]) => edits.reduce((bytes, one) => applyEdit(bytes, other, one), first));
}

/** Lists the paths of all values of a document. */
function pathsOf(value: unknown, path: readonly PropertyKey[] = []): (readonly PropertyKey[])[] {
  if (typeof value !== 'object' || value === null || path.length > 8) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

/** Copies the document with `stranger` at `path`, or without that key where `stranger` is undefined. */
function replaced(value: unknown, path: readonly PropertyKey[], stranger: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return stranger;
  const source = value as Record<PropertyKey, unknown>;
  const copy = (Array.isArray(value) ? [...value] : { ...source }) as Record<PropertyKey, unknown>;
  if (rest.length === 0 && stranger === undefined) delete copy[key];
  else copy[key] = replaced(copy[key], rest, stranger);
  return copy;
}

/** Generates a JSON document with one to three of its values replaced or removed. */
export function mutatedJson(document: unknown): fc.Arbitrary<unknown> {
  const place = fc.constantFrom(...pathsOf(document));
  const stranger = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...strangers, undefined) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const changes = fc.array(fc.tuple(place, stranger), { minLength: 1, maxLength: 3 });
  return changes.map((list) =>
    list.reduce((value, [path, one]) => (isReachable(value, path) ? replaced(value, path, one) : value), document),
  );
}

function isReachable(value: unknown, path: readonly PropertyKey[]): boolean {
  if (path.length === 0) return true;
  if (typeof value !== 'object' || value === null) return false;
  const [key, ...rest] = path;
  return isReachable((value as Record<PropertyKey, unknown>)[key as PropertyKey], rest);
}
