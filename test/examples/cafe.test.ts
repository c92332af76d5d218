/** The café's text, verifier, demonstrations and data files, without a model. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  careful,
  careless,
  type Demonstration,
  demonstrate,
  drawTable,
  isHeldOut,
  rowOf,
} from '../../examples/cafe/draw.js';
import { answerText, feedbackText, menu, orderText, parseAnswer } from '../../examples/cafe/table.js';
import verify from '../../examples/cafe/verifier.js';
import { createRng } from '../../src/rng.js';

const table = [
  { name: 'Ada', hopes: 'tea', refuses: [] },
  { name: 'Omar', hopes: 'milk', refuses: ['tea', 'juice'] },
  { name: 'Zoe', hopes: 'tea', refuses: ['cider'] },
];
const { guests, hopes } = rowOf(table);
const answer = 'Ada gets tea.\nOmar gets cocoa.\nZoe gets milk.';
const met = 'Ada loves tea.\nOmar returns cocoa.\nZoe returns milk.';
const judge = (text: string) => verify({ text, guests, hopes });

test('an order says what is ruled out, and never what is hoped for', () => {
  expect(orderText(table)).toBe('Ada wants anything.\nOmar wants no tea and no juice.\nZoe wants no cider.');
  for (let seed = 0; seed < 300; seed++) {
    for (const { hopes: hoped, refuses } of drawTable(createRng(seed))) {
      expect(refuses).not.toContain(hoped);
      expect(menu).toEqual(expect.arrayContaining([hoped, ...refuses]));
    }
  }
});

describe('the verifier', () => {
  test('measures the share of happy guests and says who they are', () => {
    expect(judge(answer)).toEqual({ quality: 1 / 3, wellFormed: true, feedback: met });
    expect(judge('Ada gets tea.\nOmar gets milk.\nZoe gets tea.')).toMatchObject({ quality: 1, wellFormed: true });
  });

  test.each([
    ['nothing', ''],
    ['a guest too few', 'Ada gets tea.\nOmar gets cocoa.'],
    ['a guest too many', `${answer}\nLeo gets tea.`],
    ['another order', 'Omar gets cocoa.\nAda gets tea.\nZoe gets milk.'],
    ['a drink that is not served', 'Ada gets tea.\nOmar gets cocoa.\nZoe gets water.'],
    ['words before the answer', `Sure.\n${answer}`],
    ['words after the answer', `${answer} Enjoy!`],
    ['one line', answer.replaceAll('\n', ' ')],
    ['no full stop', answer.slice(0, -1)],
  ])('%s cannot be read', (_, text) => {
    expect(judge(text)).toEqual({ quality: 0, wellFormed: false });
  });

  test('reads every answer of drinks that are served, and its feedback names the happy', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat(menu.length - 1), { minLength: 4, maxLength: 4 }), (seed, choices) => {
        const row = rowOf(drawTable(createRng(seed)));
        const served = row.guests.map((_, at) => menu[choices[at] ?? 0] as string);
        expect(parseAnswer(row.guests, ` ${answerText(row.guests, served)}\n`)).toEqual(served);
        const loved = feedbackText(row.guests, row.hopes, served).match(/ loves /g)?.length ?? 0;
        const verdict = verify({ ...row, text: answerText(row.guests, served) });
        expect(verdict.quality).toBe(loved / row.guests.length);
      }),
    );
  });
});

describe('the data files', () => {
  const rows = (split: string): { guests: string[]; prompt: { content: string }[] }[] =>
    readFileSync(new URL(`../../examples/cafe/${split}.jsonl`, import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('are the tables of seed 0, and none that is evaluated on is trained on', () => {
    const own = createRng(0).fork('test');
    const heldOut = Array.from({ length: 300 }, () => rowOf(drawTable(own, true)));
    expect(rows('test')).toEqual(heldOut);
    const trained = new Set(rows('train').map((row) => JSON.stringify(row)));
    expect(rows('train')).toHaveLength(2000);
    expect(heldOut.filter((row) => trained.has(JSON.stringify(row)))).toEqual([]);
  });

  test('one table in five is held out', () => {
    const own = createRng(4);
    const tables = Array.from({ length: 2000 }, () => drawTable(own, own.next() < 0.5));
    expect(tables.filter(isHeldOut).length / 2000).toBeCloseTo(0.5, 1);
  });
});

describe('the waiters', () => {
  const drawn = (care: typeof careful): Demonstration[] =>
    Array.from({ length: 4000 }, (_, index) => demonstrate(createRng(7).fork('d', index), 2, care));
  const demonstrations = drawn(careless);
  const mean = (values: readonly boolean[]): number => values.filter(Boolean).length / values.length;
  const of = (intent: string, from = demonstrations): Demonstration[] => from.filter((one) => one.intent === intent);
  const servings = ({ guests: seated, previous, answers }: Demonstration) => {
    const now = parseAnswer(rowOf(seated).guests, answers[0] ?? '') ?? [];
    return seated.map((guest, at) => ({ guest, before: previous[at], now: now[at] ?? '' }));
  };

  test('answers as the verifier reads, repeats with a seed, and mixes the intents 40 : 45 : 15', () => {
    for (const { guests: seated, answers } of demonstrations) {
      expect(answers.every((text) => parseAnswer(rowOf(seated).guests, text) !== undefined)).toBe(true);
    }
    expect(demonstrate(createRng(1), 3, careless)).toEqual(demonstrate(createRng(1), 3, careless));
    expect(of('attempt').length / 4000).toBeCloseTo(0.4, 1);
    expect(of('improve').length / 4000).toBeCloseTo(0.45, 1);
  });

  test('the careless one keeps most of what is loved, brings some again, forgets some of the order', () => {
    const rewrites = of('improve').flatMap(servings);
    const again = (loved: boolean): number =>
      mean(rewrites.filter(({ guest, before }) => (guest.hopes === before) === loved).map((s) => s.before === s.now));
    // 0.8 and 0.3, and what a new guess brings again by chance.
    expect(Math.abs(again(true) - 0.84)).toBeLessThan(0.02);
    expect(Math.abs(again(false) - 0.323)).toBeLessThan(0.02);
    const ruledOut = of('attempt')
      .flatMap(servings)
      .filter(({ guest }) => guest.refuses.length === 2);
    expect(mean(ruledOut.map(({ guest, now }) => guest.refuses.includes(now)))).toBeCloseTo(0.2 / 3, 1);
  });

  test('the careful one keeps all that is loved and brings nothing again that was ruled out or sent back', () => {
    for (const { guest, before, now } of of('improve', drawn(careful)).flatMap(servings)) {
      if (guest.hopes === before) expect(now).toBe(before);
      else expect([...guest.refuses, before]).not.toContain(now);
    }
  });
});
