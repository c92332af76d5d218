/** Compares the exact reader with `JSON.parse`, and its numbers with Python's. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExactNumber, formatExact, parseExact, plainNumbers, pythonFloat, sameValue } from '../src/exact-json.js';

const exact = (text: string): unknown => parseExact(`{"a":[${text}]}`);
const one = (text: string): unknown => (exact(text) as { a: unknown[] }).a[0];

describe('numbers', () => {
  test.each(['0', '-7', '9007199254740991', '0.25', '-1.5', '0.30000000000000004', '123456.789'])('%s', (text) => {
    expect(one(text)).toBe(Number(text));
  });

  // [text, the plain value, the text of Python 3.12's json.loads]
  test.each([
    ['12345678901234567891', '12345678901234567891', '12345678901234567891'],
    ['9007199254740993', '9007199254740993', '9007199254740993'],
    ['1.0', 1, '1.0'],
    ['0.10', 0.1, '0.1'],
    ['1e5', 100000, '100000.0'],
    ['1E-7', 1e-7, '1e-07'],
    ['0.00001', 0.00001, '1e-05'],
    ['0.1234567890123456789', '0.1234567890123456789', '0.12345678901234568'],
    ['1e400', '1e400', 'inf'],
    ['100000000000000000000.0', 100000000000000000000, '1e+20'],
    ['-0.0', -0, '-0.0'],
  ])('%s keeps its text', (text, plain, python) => {
    const number = one(text) as ExactNumber;
    expect(number).toBeInstanceOf(ExactNumber);
    expect([number.text, number.plain(), number.pythonText()]).toEqual([text, plain, python]);
  });

  test('NaN and Infinity are numbers, as in Python', () => {
    expect(exact('NaN, Infinity, -Infinity')).toEqual({ a: [Number.NaN, Infinity, -Infinity] });
  });

  test.each(['01', '01.0', '1.', '.5', '+1.0', '1.0.2', '1.0 2', 'NaNN', '--1.0', '0x10', '1e', 'nan'])(
    '%s is not JSON',
    (text) => {
      expect(() => exact(text)).toThrow(SyntaxError);
    },
  );

  test.each(['{1.0:2}', '{NaN:2}', '{"a":1.0', '1.0"', '"1.0'])('%s is not JSON', (text) => {
    expect(() => parseExact(text)).toThrow(SyntaxError);
  });

  test('floats print as in Python', () => {
    const texts = ['0.0', '1.0', '1.5', '1e+16', '123456789012345.0', '0.0001', '1e-05', '5e-324', 'nan', '-inf'];
    const values = [0, 1, 1.5, 1e16, 123456789012345, 0.0001, 0.00001, 5e-324, Number.NaN, -Infinity];
    expect(values.map(pythonFloat)).toEqual(texts);
  });

  test('texts are compared by their value', () => {
    expect(sameValue('0.30', '3e-1')).toBe(true);
    expect(sameValue('-0', '0')).toBe(true);
    expect(sameValue('9007199254740993', '9007199254740992')).toBe(false);
    expect(sameValue('one', 'one')).toBe(false);
  });
});

describe('texts', () => {
  test('numbers within texts, and marks of any kind, stay texts', () => {
    const value = { 'a 1.0': '1.0, NaN \\ " 12345678901234567891', b: '\\"', c: '\u2028', big: 1 };
    const text = JSON.stringify(value).replace('"big":1', '"big":12345678901234567891');
    expect(plainNumbers(parseExact(text))).toEqual({ ...value, big: '12345678901234567891' });
  });

  test('half of a surrogate pair is refused, a whole one is read', () => {
    expect(parseExact('"\\ud83d\\ude42"')).toBe('🙂');
    expect(() => parseExact('{"a":["\\ud83d"]}')).toThrow('half of a surrogate pair');
    expect(() => parseExact('{"\\ude42":1}')).toThrow('half of a surrogate pair');
    expect(parseExact('"\\\\ud83d"')).toBe('\\ud83d');
  });

  test('of a repeated key the last value counts, and __proto__ is a key', () => {
    expect(plainNumbers(parseExact('{"a":1.0,"a":2.0}'))).toEqual({ a: 2 });
    const value = plainNumbers(parseExact('{"__proto__":{"x":12345678901234567891},"constructor":1.0}')) as object;
    expect(Object.entries(value)).toEqual([
      ['__proto__', { x: '12345678901234567891' }],
      ['constructor', 1],
    ]);
  });
});

test('any value is read as JSON.parse reads it, and written again', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 1), (text, spaces) => {
      const value: unknown = JSON.parse(text);
      // Integers beyond 2^53 become their digits: the test above has them.
      fc.pre(!/\d{16}/.test(text));
      expect(plainNumbers(parseExact(JSON.stringify(value, null, spaces)))).toEqual(value);
      expect(JSON.parse(formatExact(parseExact(text)))).toEqual(value);
    }),
  );
});

test('time is linear in hostile texts', () => {
  const began = performance.now();
  const zeros = '0'.repeat(2 ** 22);
  const texts = [`1.${zeros}1`, `"${'\\\\'.repeat(2 ** 21)}", 1.0`, `${'1.0,'.repeat(2 ** 18)}1.0`, `1e${zeros}1`];
  for (const text of texts) plainNumbers(exact(text));
  expect(() => parseExact(`${'['.repeat(5000)}1.0${']'.repeat(5000)}`)).toThrow('nested more than 1000 deep');
  expect(performance.now() - began).toBeLessThan(10_000);
});
