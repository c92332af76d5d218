import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { markedText, markRow, openColours, rowQuality } from '../../../src/task/code-breaker/marks.js';
import { answerText, colourCount, parseAnswer, type Row, slotCount } from '../../../src/task/code-breaker/words.js';

/** Parses a row in which colours count from 1. */
const row = (digits: string): Row => [...digits].map((digit) => Number(digit) - 1);
const anyRow = fc.array(fc.integer({ min: 0, max: colourCount - 1 }), { minLength: slotCount, maxLength: slotCount });

describe('marks', () => {
  test.each([
    ['12345', '12345', '====='],
    ['12345', '66666', 'xxxxx'],
    ['12345', '21345', '~~==='],
    // Multiplicity is ignored: the second 1 is present although the code's only 1 is already hit.
    ['12345', '11666', '=~xxx'],
    ['11234', '51116', 'x=~~x'],
    ['22222', '21212', '=x=x='],
  ])('code %s, guess %s: %s', (code, guess, signs) => {
    const expected = [...guess].map((digit, slot) => `${'abcde'[slot]}${digit}${signs[slot]}`).join(' ');
    expect(markedText(row(code), row(guess))).toBe(expected);
  });

  test('agree with the definition for any code and guess', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (code, guess) => {
        const elsewhere = (slot: number) => code.some((colour, other) => other !== slot && colour === guess[slot]);
        const expected = guess.map((colour, slot) =>
          colour === code[slot] ? 'hit' : elsewhere(slot) ? 'present' : 'absent',
        );
        expect(markRow(code, guess)).toEqual(expected);
      }),
    );
  });

  test('quality is the fraction of hits', () => {
    expect(rowQuality(row('12345'), row('12345'))).toBe(1);
    expect(rowQuality(row('12345'), row('12354'))).toBe(0.6);
    expect(rowQuality(row('12345'), row('51234'))).toBe(0);
  });
});

describe('open colours', () => {
  test('follow the marks of all rows', () => {
    // a1x: 1 nowhere. b2~: 2 not at b. c3=: only 3 at c. d6x: 6 nowhere. e4~: 4 not at e.
    expect(openColours(row('24352'), [row('12364')]).map((colours) => colours.map((colour) => colour + 1))).toEqual([
      [2, 3, 4, 5],
      [3, 4, 5],
      [3],
      [2, 3, 4, 5],
      [2, 3, 5],
    ]);
  });

  test('always contain the code, and equal the colours that no mark contradicts', () => {
    fc.assert(
      fc.property(anyRow, fc.array(anyRow, { minLength: 1, maxLength: 3 }), (code, rows) => {
        const marks = rows.map((guess) => markRow(code, guess));
        const contradicts = (slot: number, colour: number) =>
          rows.some((guess, index) =>
            guess.some((guessed, at) => {
              if (marks[index]?.[at] === 'hit') return at === slot && guessed !== colour;
              if (guessed !== colour) return false;
              return marks[index]?.[at] === 'absent' || at === slot;
            }),
          );
        const every = Array.from({ length: colourCount }, (_, colour) => colour);
        const expected = code.map((_, slot) => every.filter((colour) => !contradicts(slot, colour)));
        expect(openColours(code, rows)).toEqual(expected);
        expect(code.every((colour, slot) => expected[slot]?.includes(colour))).toBe(true);
      }),
    );
  });
});

describe('answers', () => {
  test('round trip for every row', () => {
    fc.assert(
      fc.property(anyRow, (colours) => {
        expect(parseAnswer(answerText(colours))).toEqual(colours);
      }),
    );
  });

  test.each([
    ['', 'nothing'],
    ['a1 b2 c3 d4', 'a slot missing'],
    ['a1 b2 c3 d4 e5 e6', 'a word too many'],
    ['a1 b2 c3 e5 d4', 'slots out of order'],
    ['a1 b2 c3 d4 d4', 'a slot twice'],
    ['a1= b2 c3 d4 e5', 'a marked word'],
    ['a1 b2 c3 d4 e?', 'an empty slot'],
    ['a1 b2 c3 d4 e7', 'an unknown colour'],
    ['A1 b2 c3 d4 e5', 'another spelling'],
  ])('malformed: %s (%s)', (text) => {
    expect(parseAnswer(text)).toBeUndefined();
  });
});
