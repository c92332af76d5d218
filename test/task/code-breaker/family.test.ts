import { describe, expect, test } from 'vitest';
import { emptyHistory, type History } from '../../../src/history.js';
import { codeBreaker } from '../../../src/task/code-breaker/family.js';
import type { CodeBreakerTask } from '../../../src/task/code-breaker/puzzle.js';
import { vocabulary } from '../../../src/task/code-breaker/words.js';

const family = codeBreaker();
/** Code 24352, openings 12364 and 23456 (colours from 1). */
const task: CodeBreakerTask = {
  id: 'example',
  data: {
    code: [1, 3, 2, 4, 1],
    openings: [
      [0, 1, 2, 5, 3],
      [1, 2, 3, 4, 5],
    ],
  },
};

async function historyOf(answer: string): Promise<History> {
  const { quality, feedback } = await family.judge(task, emptyHistory, answer, 'attempt');
  const iterate = { text: answer, tokens: [], quality, ...(feedback === undefined ? {} : { feedback }) };
  return { turns: [{ iterates: [iterate] }] };
}

describe('prompts', () => {
  const openings = 'a1x b2~ c3= d6x e4~ a2= b3~ c4~ d5= e6x';

  test('an attempt shows an empty previous row', () => {
    expect(family.prompt(task, emptyHistory, 'attempt')).toBe(`<bos> solve ${openings} previous a? b? c? d? e? answer`);
  });

  test('improve and diverge show the latest answer with its marks', async () => {
    const history = await historyOf('a2 b2 c4 d5 e1');
    const previous = 'previous a2= b2~ c4~ d5= e1x answer';
    expect(family.prompt(task, history, 'improve')).toBe(`<bos> improve ${openings} ${previous}`);
    expect(family.prompt(task, history, 'diverge')).toBe(`<bos> diverge ${openings} ${previous}`);
  });

  test('only the latest iterate is shown', async () => {
    const first = await historyOf('a1 b1 c1 d1 e1');
    const second = await historyOf('a2 b4 c3 d5 e6');
    const iterates = [...(first.turns[0]?.iterates ?? []), ...(second.turns[0]?.iterates ?? [])];
    expect(family.prompt(task, { turns: [{ iterates }] }, 'improve')).toContain('previous a2= b4= c3= d5= e6x answer');
  });

  test('have 19 words, all in the vocabulary of 133', () => {
    const words = family.prompt(task, emptyHistory, 'attempt').split(' ');
    expect(words).toHaveLength(19);
    expect(words.filter((word) => !vocabulary.includes(word))).toEqual([]);
    expect(new Set(vocabulary).size).toBe(133);
  });
});

describe('verdicts', () => {
  test('the code is solved', () => {
    expect(family.judge(task, emptyHistory, 'a2 b4 c3 d5 e2', 'attempt')).toEqual({
      quality: 1,
      wellFormed: true,
      feedback: 'a2= b4= c3= d5= e2=',
    });
  });

  test('a malformed answer has quality 0 and no feedback', () => {
    expect(family.judge(task, emptyHistory, 'a2 b4 c3 d5', 'attempt')).toEqual({ quality: 0, wellFormed: false });
  });
});

describe('splits', () => {
  test('have fixed sizes and are repeatable', () => {
    expect(family.tasks('train')).toHaveLength(20_000);
    expect(family.tasks('test')).toHaveLength(600);
    expect(codeBreaker().tasks('test')).toEqual(family.tasks('test'));
  });

  test('share no puzzle', () => {
    const train = new Set(family.tasks('train').map(({ data }) => JSON.stringify(data)));
    expect(train.size).toBe(20_000);
    expect(family.tasks('test').filter(({ data }) => train.has(JSON.stringify(data)))).toEqual([]);
  });

  test('fresh follows its seed, others do not', () => {
    const other = codeBreaker({ freshSeed: 7 });
    expect(other.tasks('fresh')).toEqual(codeBreaker({ freshSeed: 7 }).tasks('fresh'));
    expect(other.tasks('fresh')[0]?.data).not.toEqual(family.tasks('fresh')[0]?.data);
    expect(other.tasks('train')[5]).toEqual(family.tasks('train')[5]);
  });

  test('draw every colour at every slot equally often', () => {
    const counts = new Map<string, number>();
    for (const { data } of family.tasks('train')) {
      for (const [place, colour] of [...data.code, ...data.openings.flat()].entries()) {
        const key = `${place}:${colour}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    // 90 cells of a binomial with mean 3,333 and standard deviation 53: five of them on either side.
    expect(counts.size).toBe(90);
    for (const count of counts.values()) expect(Math.abs(count - 20_000 / 6)).toBeLessThan(265);
  });

  test('an unknown split is refused by name', () => {
    expect(() => family.tasks('validation')).toThrow(/validation.*train, test or fresh/);
  });
});
