import { describe, expect, test } from 'vitest';
import { type DemoOptions, planDemo } from '../../../src/cli/demo/plan.js';
import { planNotes } from '../../../src/cli/demo/write-comparison.js';
import { parseConfig } from '../../../src/config/parse.js';
import { codeBreaker } from '../../../src/recipes/code-breaker.js';

const plan = (changes: Partial<DemoOptions> = {}) =>
  planDemo({ quick: false, all: false, seeds: 1, seed: 1, out: 'demo', ...changes });

describe('the plan of a demo', () => {
  test("is GRPO and ExIt on one seed, with the recipe's number of updates", () => {
    const { runs, updates, draws, iterations } = plan();
    expect(runs).toEqual([
      { method: 'grpo', seed: 1, folder: 'grpo-seed-1' },
      { method: 'exit', seed: 1, folder: 'exit-seed-1' },
    ]);
    const recipe = parseConfig(codeBreaker());
    expect({ updates, draws, iterations }).toEqual({
      updates: recipe.updates,
      draws: recipe.evaluation.draws,
      iterations: recipe.evaluation.iterations,
    });
  });

  test('runs every method on the same seeds with --all --seeds', () => {
    const { runs, seeds } = plan({ all: true, seeds: 2, seed: 7 });
    expect(seeds).toEqual([7, 8]);
    expect(runs.map(({ method, seed }) => `${method} ${seed}`)).toEqual(
      [7, 8].flatMap((seed) =>
        ['grpo', 'curriculum', 'improve', 'diverge', 'exit'].map((method) => `${method} ${seed}`),
      ),
    );
    expect(new Set(runs.map(({ folder }) => folder)).size).toBe(10);
  });

  test.each([
    ['seeds', 0],
    ['seeds', 1.5],
    ['seed', -1],
    ['seed', Number.NaN],
  ])('--%s %d is wrong usage', (name, value) => {
    expect(() => plan({ [name]: value })).toThrow(`--${name} must be a whole number`);
  });
});

describe('the caveats', () => {
  test('note that a quick demo is too short to compare, and no other', () => {
    const short = /too short to compare/i;
    expect(planNotes(plan({ quick: true })).some((note) => short.test(note))).toBe(true);
    expect(planNotes(plan()).some((note) => short.test(note))).toBe(false);
  });

  test('say what one seed is worth', () => {
    expect(planNotes(plan()).some((note) => note.startsWith('One seed'))).toBe(true);
    expect(planNotes(plan({ seeds: 5 })).some((note) => note.startsWith('One seed'))).toBe(false);
  });
});
