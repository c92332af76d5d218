import { describe, expect, test } from 'vitest';
import { RewardTimeoutError } from '../../src/errors.js';
import { emptyHistory, openTurn } from '../../src/history.js';
import { type NamedReward, namedReward, rewardAnswers } from '../../src/reward/named.js';
import type { Answered, Reward } from '../../src/reward/reward.js';

function answered(text: string, columns: Record<string, unknown> = {}): Answered {
  const prompt = 'question';
  const after = openTurn(emptyHistory, { text, tokens: [1, 2], quality: 0 });
  const task = { id: `task-${text}`, data: { prompt, ...columns } };
  return { task, intent: 'attempt', prompt, before: emptyHistory, after, text, tokens: [1, 2], quality: 0.5 };
}

const two = [answered('a', { answer: 'a' }), answered('b', { answer: 'x' })];
const rewardAll = (rewards: NamedReward[], groups = [two]): ReturnType<typeof rewardAnswers> =>
  rewardAnswers(rewards, groups);
const batch = (values: (number | null)[], settings: Partial<NamedReward> = {}): NamedReward =>
  namedReward({ batch: () => values }, settings);

describe('a batch', () => {
  test('has lists of prompts, completions, ids and every column', async () => {
    let seen: Record<string, unknown> = {};
    const look: Reward = {
      batch: (given) => {
        seen = given;
        return [0, 0, 0];
      },
    };
    const messages: Answered = { ...answered('c'), prompt: [{ role: 'user', content: 'q' }] };
    await rewardAll([namedReward(look)], [two, [messages]]);
    expect(seen).toMatchObject({
      prompts: ['question', 'question', [{ role: 'user', content: 'q' }]],
      completions: ['a', 'b', [{ role: 'assistant', content: 'c' }]],
      texts: ['a', 'b', 'c'],
      completionIds: [
        [1, 2],
        [1, 2],
        [1, 2],
      ],
      answer: ['a', 'x', null],
      columns: { answer: ['a', 'x', null] },
    });
  });

  test('calls a batch function once, a group function once per group, a rollout function once per rollout', async () => {
    const calls = { batch: 0, group: 0, rollout: 0 };
    const count = (kind: keyof typeof calls, length: number): number[] => {
      calls[kind] += 1;
      return new Array<number>(length).fill(1);
    };
    await rewardAll(
      [
        namedReward({ batch: ({ texts }) => count('batch', texts.length) }),
        namedReward({ group: (list) => count('group', list.length) }),
        namedReward(() => count('rollout', 1)[0] as number),
      ],
      [two, two, []],
    );
    expect(calls).toEqual({ batch: 1, group: 2, rollout: 4 });
  });
});

describe('the weighted sum', () => {
  test('omits functions that return null; an answer for which all return null is unscored', async () => {
    const { outcomes, columns } = await rewardAll([
      batch([1, null], { name: 'a', weight: 2 }),
      batch([0.5, null], { name: 'b', weight: -1 }),
    ]);
    expect(outcomes).toEqual([{ kind: 'rewarded', sum: 1.5, quality: (1.5 + 1) / 3 }, { kind: 'unscored' }]);
    expect(columns.map(({ name, values }) => [name, ...values])).toEqual([
      ['a', 1, Number.NaN],
      ['b', 0.5, Number.NaN],
    ]);
  });

  test('quality is its position between the smallest and the largest sum of the functions that returned a reward', async () => {
    const { outcomes } = await rewardAll([
      batch([1, 9], { range: [0, 1] }),
      batch([-1, null], { name: 'overlong', range: [-1, 0], weight: 0.5 }),
    ]);
    expect(outcomes.map((one) => (one.kind === 'rewarded' ? one.quality : Number.NaN))).toEqual([(0.5 + 0.5) / 1.5, 1]);
  });
});

describe('functions that fail', () => {
  test.each<[string, Reward]>([
    [
      'throws',
      {
        batch: () => {
          throw new Error('broken');
        },
      },
    ],
    ['rejects', { batch: () => Promise.reject(new Error('broken')) }],
    ['returns too few', { batch: () => [1] }],
    ['returns NaN', { batch: () => [Number.NaN, Number.NaN] }],
    ['returns infinity', { batch: () => [Infinity, -Infinity] }],
    ['returns text', { batch: () => ['1', '2'] as unknown as number[] }],
    ['returns undefined', { batch: () => undefined as unknown as number[] }],
  ])('one that %s fails each affected answer with a typed error', async (_, reward) => {
    const { outcomes, columns } = await rewardAll([
      namedReward(reward, { name: 'bad' }),
      batch([1, 1], { name: 'good' }),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['failed', 'failed']);
    expect(columns.map(({ trouble }) => [...trouble])).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  test('a failed call is repeated once; a timed-out call is not', async () => {
    let calls = 0;
    const once: Reward = { batch: () => (++calls === 1 ? [1] : [1, 1]) };
    expect((await rewardAll([namedReward(once)])).outcomes.map(({ kind }) => kind)).toEqual(['rewarded', 'rewarded']);
    let late = 0;
    const never: Reward = {
      batch: () => {
        late += 1;
        return new Promise<number[]>(() => {});
      },
    };
    const { outcomes, columns } = await rewardAll([namedReward(never, { timeoutSeconds: 0.05 })]);
    expect(late).toBe(1);
    expect([...(columns[0]?.trouble ?? [])]).toEqual([2, 2]);
    expect(outcomes.every((one) => one.kind === 'failed' && RewardTimeoutError.isInstance(one.error))).toBe(true);
  });

  test('the time limit covers thenables, and a limit beyond the range of setTimeout does not fire at once', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a thenable of another library
    const never = { group: () => ({ then: () => {} }) } as unknown as Reward;
    const late = await rewardAll([namedReward(never, { timeoutSeconds: 0.05 })]);
    expect([...(late.columns[0]?.trouble ?? [])]).toEqual([2, 2]);
    const soon: Reward = { batch: () => new Promise((resolve) => setTimeout(() => resolve([1, 1]), 20)) };
    const { outcomes } = await rewardAll([namedReward(soon, { timeoutSeconds: 30 * 24 * 3600 })]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['rewarded', 'rewarded']);
  });
});
