/** The café's text, verifier, demonstrations and data files, without a model. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  careful,
  careless,
  type Demonstration,
  demonstrate,
  drawMeal,
  isHeldOut,
  rowOf,
} from '../../examples/cafe/draw.js';
import { answerText, feedbackText, menu, orderText, parseAnswer } from '../../examples/cafe/table.js';
import verify from '../../examples/cafe/verifier.js';
import { createRng } from '../../src/rng.js';

const meal = [
  { name: 'Drink', hopes: 'tea', refuses: [] },
  { name: 'Main', hopes: 'stew', refuses: ['rice', 'pie'] },
  { name: 'Dessert', hopes: 'cake', refuses: ['fruit'] },
];
const { courses, hopes } = rowOf(meal);
const answer = 'Drink is tea.\nMain is curry.\nDessert is fruit.';
const serve = (text: string) => verify({ text, courses, hopes });

test('an order names the refused dishes, and never the hoped-for ones', () => {
  expect(orderText(meal)).toBe('Drink of any kind.\nMain with no rice and no pie.\nDessert with no fruit.');
  for (let seed = 0; seed < 300; seed++) {
    for (const { name, hopes: hoped, refuses } of drawMeal(createRng(seed))) {
      expect(refuses).not.toContain(hoped);
      expect(menu[name]).toEqual(expect.arrayContaining([hoped, ...refuses]));
    }
  }
});

describe('the verifier', () => {
  test('measures the share of hoped-for dishes, and names them in its feedback', () => {
    const feedback = 'Loved tea.\nReturned curry.\nReturned fruit.';
    expect(serve(answer)).toEqual({ quality: 1 / 3, wellFormed: true, feedback });
    expect(serve('Drink is tea.\nMain is stew.\nDessert is cake.')).toMatchObject({ quality: 1, wellFormed: true });
  });

  test.each([
    ['nothing', ''],
    ['a course too few', 'Drink is tea.\nMain is curry.'],
    ['a course too many', `${answer}\nSoup is leek.`],
    ['another order', 'Main is curry.\nDrink is tea.\nDessert is fruit.'],
    ['a dish that is not served', 'Drink is tea.\nMain is curry.\nDessert is water.'],
    ['a dish of another course', 'Drink is tea.\nMain is curry.\nDessert is tea.'],
    ['words before the answer', `Sure.\n${answer}`],
    ['words after the answer', `${answer} Enjoy!`],
    ['one line', answer.replaceAll('\n', ' ')],
    ['no full stop', answer.slice(0, -1)],
  ])('%s cannot be read', (_, text) => {
    expect(serve(text)).toEqual({ quality: 0, wellFormed: false });
  });

  test('accepts every answer of dishes on the menu, and names the hoped-for ones in its feedback', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat(5), { minLength: 4, maxLength: 4 }), (seed, choices) => {
        const row = rowOf(drawMeal(createRng(seed)));
        const served = row.courses.map((name, at) => menu[name]?.[choices[at] ?? 0] as string);
        expect(parseAnswer(row.courses, ` ${answerText(row.courses, served)}\n`)).toEqual(served);
        const loved = feedbackText(row.hopes, served).match(/Loved /g)?.length ?? 0;
        const verdict = verify({ ...row, text: answerText(row.courses, served) });
        expect(verdict.quality).toBe(loved / row.courses.length);
      }),
    );
  });
});

describe('the data files', () => {
  const rows = (split: string): unknown[] =>
    readFileSync(new URL(`../../examples/cafe/${split}.jsonl`, import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('are the meals of seed 0, without a held-out meal in the training data', () => {
    const own = createRng(0).fork('test');
    const heldOut = Array.from({ length: 300 }, () => rowOf(drawMeal(own, true)));
    expect(rows('test')).toEqual(heldOut);
    const trained = new Set(rows('train').map((row) => JSON.stringify(row)));
    expect(rows('train')).toHaveLength(2000);
    expect(heldOut.filter((row) => trained.has(JSON.stringify(row)))).toEqual([]);
  });

  test('hold out one meal in five', () => {
    const own = createRng(4);
    const meals = Array.from({ length: 2000 }, () => drawMeal(own, own.next() < 0.5));
    expect(meals.filter(isHeldOut).length / 2000).toBeCloseTo(0.5, 1);
  });
});

describe('the waiters', () => {
  const drawn = (care: typeof careful): Demonstration[] =>
    Array.from({ length: 4000 }, (_, index) => demonstrate(createRng(7).fork('d', index), 2, care));
  const demonstrations = drawn(careless);
  const mean = (values: readonly boolean[]): number => values.filter(Boolean).length / values.length;
  const of = (intent: string, from = demonstrations): Demonstration[] => from.filter((one) => one.intent === intent);
  const servings = ({ courses, previous, answers }: Demonstration) => {
    const now = parseAnswer(rowOf(courses).courses, answers[0] ?? '') ?? [];
    return courses.map((course, at) => ({ course, before: previous[at], now: now[at] ?? '' }));
  };

  test('answer in the format of the verifier, repeat with a seed, and mix the intents 40 : 45 : 15', () => {
    for (const { courses, answers } of demonstrations) {
      expect(answers.every((text) => parseAnswer(rowOf(courses).courses, text) !== undefined)).toBe(true);
    }
    expect(demonstrate(createRng(1), 3, careless)).toEqual(demonstrate(createRng(1), 3, careless));
    expect(of('attempt').length / 4000).toBeCloseTo(0.4, 1);
    expect(of('improve').length / 4000).toBeCloseTo(0.45, 1);
  });

  test('the careless one keeps most loved dishes, repeats some returned ones, and forgets part of the order', () => {
    const rewrites = of('improve').flatMap(servings);
    const again = (loved: boolean): number =>
      mean(rewrites.filter(({ course, before }) => (course.hopes === before) === loved).map((s) => s.before === s.now));
    // 0.75 and 0.3, plus the chance that a new guess repeats a dish: 0.228 and 0.083.
    expect(Math.abs(again(true) - 0.807)).toBeLessThan(0.02);
    expect(Math.abs(again(false) - 0.358)).toBeLessThan(0.02);
    const ruledOut = of('attempt')
      .flatMap(servings)
      .filter(({ course }) => course.refuses.length === 2);
    expect(mean(ruledOut.map(({ course, now }) => course.refuses.includes(now)))).toBeCloseTo(0.5 / 3, 1);
  });

  test('the careful one keeps all loved dishes and serves no refused or returned one again', () => {
    for (const { course, before, now } of of('improve', drawn(careful)).flatMap(servings)) {
      if (course.hopes === before) expect(now).toBe(before);
      else expect([...course.refuses, before]).not.toContain(now);
    }
  });
});
