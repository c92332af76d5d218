import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as history from '../src/history.js';
import { deepFreeze, histories, iterates } from './support/arbitraries.js';

const { append, depth, emptyHistory, historyKey, lastIterate, openTurn, prefix } = history;
const iterate = (text: string, feedback?: string): history.Iterate => {
  const plain = { text, tokens: [text.length, 7], quality: 0.5 };
  return feedback === undefined ? plain : { ...plain, feedback };
};

describe('histories are values', () => {
  test('no function changes its argument', () => {
    fc.assert(
      fc.property(histories, iterates, (past, next) => {
        deepFreeze(past);
        const before = JSON.stringify(past);
        openTurn(past, next);
        past.turns.forEach((_, turn) => {
          append(past, turn, next);
          prefix(past, turn + 1, 1);
        });
        historyKey('task', past);
        return JSON.stringify(past) === before;
      }),
    );
  });

  test('append adds a rewrite to the iterates of its turn, and prefix removes it', () => {
    fc.assert(
      fc.property(histories, iterates, (past, next) => {
        fc.pre(past.turns.length > 0);
        const turn = past.turns.length - 1;
        const rewritten = append(past, turn, next);
        expect(depth(rewritten)).toBe(depth(past) + 1);
        expect(lastIterate(rewritten)).toBe(next);
        expect(prefix(rewritten, past.turns.length, depth(past))).toEqual(past);
      }),
    );
  });

  test('openTurn adds a first attempt as a new turn, and prefix removes it', () => {
    fc.assert(
      fc.property(histories, iterates, (past, next) => {
        const opened = openTurn(past, next);
        expect(depth(opened)).toBe(1);
        expect(prefix(opened, past.turns.length)).toEqual(past);
      }),
    );
  });
});

describe('prefix', () => {
  const long = openTurn(append(openTurn(emptyHistory, iterate('a')), 0, iterate('b')), iterate('c'));

  test('keeps whole earlier turns and the first iterates of the last', () => {
    expect(prefix(long, 1, 1)).toEqual(openTurn(emptyHistory, iterate('a')));
    expect(prefix(long, 2)).toEqual(long);
    expect(prefix(long, 0)).toBe(emptyHistory);
  });

  test('refuses missing turns and iterates', () => {
    expect(() => prefix(long, 3)).toThrow(RangeError);
    expect(() => prefix(long, 1, 3)).toThrow(RangeError);
    expect(() => prefix(long, 1, 0)).toThrow(RangeError);
    expect(() => append(long, 2, iterate('d'))).toThrow(RangeError);
  });
});

describe('historyKey', () => {
  test('is equal for equal histories and survives JSON', () => {
    fc.assert(
      fc.property(histories, (past) => {
        expect(historyKey('task', JSON.parse(JSON.stringify(past)))).toBe(historyKey('task', past));
      }),
    );
  });

  test('distinguishes tasks, tokens, feedback and the ends of turns', () => {
    const [a, b] = [iterate('a'), iterate('bb')];
    const keys = [
      historyKey('x', emptyHistory),
      historyKey('y', emptyHistory),
      historyKey('x', openTurn(emptyHistory, a)),
      historyKey('x', openTurn(emptyHistory, iterate('a', 'wrong'))),
      historyKey('x', openTurn(emptyHistory, b)),
      historyKey('x', openTurn(openTurn(emptyHistory, a), b)),
      historyKey('x', append(openTurn(emptyHistory, a), 0, b)),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
