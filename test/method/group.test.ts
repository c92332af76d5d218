import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nativeError } from '../../src/errors.js';
import { emptyHistory, openTurn } from '../../src/history.js';
import { type Group, type GroupOptions, isTrainable, rolloutGroup } from '../../src/method/group.js';
import { learnabilityScore } from '../../src/method/score.js';
import { createRng } from '../../src/rng.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { ladderTasks, oneRung } from '../support/ladder.js';
import { completionOf, scriptedPolicy } from '../support/scripted-policy.js';

// Answer i earns quality (9 − i) / 9: the hidden digit is 0.
const task = ladderTasks[0] as Task;
const start = { task, history: emptyHistory, intent: 'attempt' } as const;
const counting = scriptedPolicy((_, completion) => String(completion));

function rollOut(options: Partial<GroupOptions> = {}): Promise<Group> {
  const sampling = { temperature: 1, maxNewTokens: 4 };
  const rng = createRng(1);
  return rolloutGroup({
    policy: counting,
    family: oneRung,
    start,
    size: 4,
    sampling,
    rng,
    reward: 'quality',
    ...options,
  });
}

describe('rolloutGroup', () => {
  test('collects rewards and qualities, and scores the start by the variance of quality', async () => {
    const group = await rollOut({ reward: ({ quality }) => 10 * quality });
    expect([...group.qualities]).toEqual([1, 8 / 9, 7 / 9, 6 / 9].map((quality) => expect.closeTo(quality)));
    expect([...group.rewards]).toEqual([...group.qualities].map((quality) => 10 * quality));
    // Variance of 0, 1, 2, 3 is 1.25; the unit is 1/9.
    expect(group.score).toBeCloseTo(1.25 / 81);
    expect(group.start).toBe(start);
    expect(isTrainable(group)).toBe(true);
  });

  test('scores equal answers 0, and leaves a group of one without a score', async () => {
    expect((await rollOut({ size: 1 })).score).toBeNaN();
    expect((await rollOut({ policy: scriptedPolicy(() => '4') })).score).toBe(0);
  });

  test('trains on a malformed member with quality 0', async () => {
    const policy = scriptedPolicy((_, completion) => (completion === 0 ? 'nonsense' : '0'));
    const group = await rollOut({ policy, size: 2 });
    expect([...group.qualities]).toEqual([0, 1]);
    expect(group.score).toBe(0.25);
    expect(isTrainable(group)).toBe(true);
  });

  test('drops a group with a failed member from training, and scores its start by the others', async () => {
    const verify: TaskFamily['verify'] = (one, history, answer, intent) => {
      if (answer === '3') throw new Error('crashed');
      return oneRung.verify(one as never, history, answer, intent);
    };
    const group = await rollOut({ family: { ...oneRung, verify } });
    expect(isTrainable(group)).toBe(false);
    expect([...group.qualities]).toEqual([1, 8 / 9, 7 / 9, Number.NaN]);
    expect([...group.rewards]).toEqual([1, 8 / 9, 7 / 9, Number.NaN]);
    expect(group.score).toBeCloseTo(2 / 3 / 81);
  });

  test('leaves out members without a reward, and the score unknown when they are most', async () => {
    const nullFor =
      (texts: string[]) =>
      ({ text }: { text: string }) =>
        texts.includes(text) ? null : 1;
    expect((await rollOut({ reward: nullFor(['0', '1', '2', '3']) })).score).toBeNaN();
    expect((await rollOut({ reward: nullFor(['1', '2', '3']) })).score).toBeNaN();
    // Answers 2 and 3: qualities 7/9 and 6/9.
    expect((await rollOut({ reward: nullFor(['0', '1']) })).score).toBeCloseTo(0.25 / 81);
  });

  test('counts overlong answers in the score as the settings say', async () => {
    const policy = scriptedPolicy((_, completion) => (completion === 0 ? completionOf('0', 'length') : '0'));
    expect((await rollOut({ policy })).score).toBeCloseTo(3 / 16);
    const score = { overlong: 'exclude', unreadable: 'include' } as const;
    expect((await rollOut({ policy, score })).score).toBe(0);
  });

  test('does not train on a rewrite whose prompt does not fit the context, and scores it 0', async () => {
    const policy = scriptedPolicy(() => {
      throw nativeError('PROMPT_TOO_LONG', 'the prompt has 9 tokens');
    });
    const history = openTurn(emptyHistory, { text: '4', tokens: [52], quality: 0.5 });
    const group = await rollOut({ policy, start: { task, history, intent: 'improve' } });
    expect(group).toMatchObject({ score: 0, rollouts: [{ outcome: { kind: 'overlong' }, quality: 0.5 }, {}, {}, {}] });
    expect(isTrainable(group)).toBe(false);
  });

  test('leaves the score unknown when all members failed', async () => {
    const policy = scriptedPolicy(() => {
      throw new Error('down');
    });
    const group = await rollOut({ policy });
    expect(group).toMatchObject({ score: Number.NaN, rollouts: { length: 4 } });
    expect([...group.rewards, ...group.qualities].every(Number.isNaN)).toBe(true);
    expect(isTrainable(group)).toBe(false);
  });
});

describe('a failing reward', () => {
  test('is called once more, and may recover', async () => {
    let calls = 0;
    const reward = { group: (all: readonly unknown[]) => (++calls === 1 ? [] : all.map(() => 1)) };
    const group = await rollOut({ reward });
    expect([...group.rewards]).toEqual([1, 1, 1, 1]);
    expect(isTrainable(group)).toBe(true);
  });

  test.each([
    ['throws', () => fail('no disk')],
    ['returns NaN', () => Number.NaN],
    ['returns infinity', () => Infinity],
    ['of a group has the wrong length', { group: () => [1] }],
  ])('that %s is the outcome failed at the boundary reward, and no reward', async (_, reward) => {
    const group = await rollOut({ reward });
    for (const { outcome, quality } of group.rollouts) {
      expect(outcome).toMatchObject({ kind: 'failed', boundary: 'reward', detail: expect.stringContaining('reward') });
      expect(quality).toBeNaN();
    }
    expect([...group.rewards].every(Number.isNaN)).toBe(true);
    expect(isTrainable(group)).toBe(false);
  });

  test('is not called for members that failed before', async () => {
    const seen: string[] = [];
    const family: TaskFamily = {
      ...oneRung,
      verify: (_task, _history, answer) => (answer === '1' ? fail('crashed') : { quality: 1, wellFormed: true }),
    };
    const reward = {
      group: (all: readonly { after: { turns: readonly unknown[] } }[]) => all.map(() => seen.push('x')),
    };
    const group = await rollOut({ family, reward });
    expect(seen).toHaveLength(3);
    expect(group.rollouts.map(({ outcome }) => outcome.kind)).toEqual(['finished', 'failed', 'finished', 'finished']);
    expect(group.rollouts[1]?.outcome).toMatchObject({ boundary: 'task' });
    expect([...group.rewards]).toEqual([1, Number.NaN, 2, 3]);
  });
});

test('S is the population variance: at most 0.25, invariant to order and shift', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(share, { minLength: 1, maxLength: 16 }), (qualities) => {
      const score = learnabilityScore(qualities);
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(0.25 + 1e-12);
      expect(learnabilityScore([...qualities].reverse())).toBeCloseTo(score, 12);
      expect(learnabilityScore(qualities.map((quality) => 1 - quality))).toBeCloseTo(score, 12);
    }),
  );
  expect(learnabilityScore([0, 1, 0, 1])).toBe(0.25);
  expect(learnabilityScore([])).toBe(0);
});

function fail(message: string): never {
  throw new Error(message);
}
