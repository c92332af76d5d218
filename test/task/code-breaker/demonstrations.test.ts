import { describe, expect, test } from 'vitest';
import { createRng } from '../../../src/rng.js';
import { demonstrate, drawDemonstrations, drawPrevious } from '../../../src/task/code-breaker/demonstrations.js';
import { openColours } from '../../../src/task/code-breaker/marks.js';
import { drawPuzzle } from '../../../src/task/code-breaker/puzzle.js';
import { colourCount, parseAnswer, type Row, slotCount, vocabulary } from '../../../src/task/code-breaker/words.js';

const draws = 4000;
const puzzles = Array.from({ length: draws }, (_, index) => drawPuzzle(createRng(3).fork('task', index)));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Parses the previous row of a prompt from its marked words. */
const shownRow = (prompt: string): Row =>
  prompt
    .split(' ')
    .slice(13, 18)
    .map((word) => Number(word[1]) - 1);

describe('batches', () => {
  const batch = drawDemonstrations(createRng(1), 5000, 2);

  test('hold well-formed answers to prompts of known words', () => {
    for (const { prompt, answers } of batch.slice(0, 300)) {
      expect(prompt.split(' ').every((word) => vocabulary.includes(word))).toBe(true);
      expect(answers).toHaveLength(2);
      expect(answers.every((answer) => parseAnswer(answer) !== undefined)).toBe(true);
    }
  });

  test('mix the intents 40 : 40 : 20', () => {
    const share = (word: string) => mean(batch.map(({ prompt }) => (prompt.split(' ')[1] === word ? 1 : 0)));
    expect(share('solve')).toBeCloseTo(0.4, 1);
    expect(share('improve')).toBeCloseTo(0.4, 1);
    expect(share('diverge')).toBeCloseTo(0.2, 1);
  });

  test('show a previous answer unless the intent is to solve', () => {
    for (const { prompt } of batch.slice(0, 300)) {
      const row = prompt.split(' ').slice(13, 18).join(' ');
      expect(row === 'a? b? c? d? e?').toBe(prompt.startsWith('<bos> solve'));
    }
  });

  test('repeat with their seed', () => {
    expect(drawDemonstrations(createRng(9), 3, 4)).toEqual(drawDemonstrations(createRng(9), 3, 4));
    expect(drawDemonstrations(createRng(9), 3, 4)).not.toEqual(drawDemonstrations(createRng(10), 3, 4));
  });
});

describe('choices, slot by slot', () => {
  test('a fresh answer takes an open colour with probability 0.8, else any', () => {
    const rates: number[] = [];
    const expected: number[] = [];
    for (const [index, data] of puzzles.entries()) {
      const open = openColours(data.code, data.openings);
      const answer = parseAnswer(demonstrate(createRng(4).fork('a', index), data, 'attempt', 1).answers[0] ?? '') ?? [];
      for (let slot = 0; slot < slotCount; slot++) {
        rates.push(open[slot]?.includes(answer[slot] ?? -1) ? 1 : 0);
        expected.push(0.8 + (0.2 * (open[slot]?.length ?? 0)) / colourCount);
      }
    }
    // 20,000 slots: a standard error under 0.003.
    expect(Math.abs(mean(rates) - mean(expected))).toBeLessThan(0.012);
  });

  test('a previous answer lies near the code in 40 % of prompts', () => {
    const hits: number[] = [];
    const expected: number[] = [];
    for (const [index, data] of puzzles.entries()) {
      const open = openColours(data.code, data.openings);
      const previous = drawPrevious(createRng(5).fork('p', index), data);
      for (let slot = 0; slot < slotCount; slot++) {
        const plain = 0.7 / (open[slot]?.length ?? 1) + 0.3 / colourCount;
        hits.push(previous[slot] === data.code[slot] ? 1 : 0);
        expected.push(0.6 * plain + 0.4 * (0.6 + 0.4 * plain));
      }
    }
    expect(Math.abs(mean(hits) - mean(expected))).toBeLessThan(0.015);
  });

  test('an improvement keeps hits and copies some of the rest', () => {
    const kept: number[] = [];
    const copied: number[] = [];
    const expectedCopied: number[] = [];
    for (const [index, data] of puzzles.entries()) {
      const { prompt, answers } = demonstrate(createRng(6).fork('i', index), data, 'improve', 1);
      const previous = shownRow(prompt);
      const open = openColours(data.code, [...data.openings, previous]);
      const answer = parseAnswer(answers[0] ?? '') ?? [];
      for (let slot = 0; slot < slotCount; slot++) {
        const same = answer[slot] === previous[slot] ? 1 : 0;
        if (previous[slot] === data.code[slot]) kept.push(same);
        else copied.push(same);
        // A colour that was no hit is never open, so without a copy only the draw from any colour repeats it.
        if (previous[slot] !== data.code[slot]) expectedCopied.push(0.3 + 0.7 * 0.5 * (1 / colourCount));
        expect(open[slot]?.length).toBeGreaterThan(0);
      }
    }
    // Kept, or not kept and drawn again: open colours at a hit are the hit alone.
    expect(Math.abs(mean(kept) - (0.9 + 0.1 * (0.5 + 0.5 / colourCount)))).toBeLessThan(0.01);
    expect(Math.abs(mean(copied) - mean(expectedCopied))).toBeLessThan(0.02);
  });
});
