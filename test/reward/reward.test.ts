import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RewardError } from '../../src/errors.js';
import { append, emptyHistory, type Intent, type Iterate, openTurn } from '../../src/history.js';
import { callReward, type RewardResult } from '../../src/reward/call.js';
import { namedReward } from '../../src/reward/named.js';
import { type Answered, improvementReward, type Reward } from '../../src/reward/reward.js';

const iterate = (quality: number): Iterate => ({ text: String(quality), tokens: [], quality });

/** A single-turn start at quality `previous`, answered with quality `current`. */
function answered(intent: Intent, current: number, previous = 0): Answered {
  const before = intent === 'attempt' ? emptyHistory : openTurn(emptyHistory, iterate(previous));
  const after = intent === 'attempt' ? openTurn(before, iterate(current)) : append(before, 0, iterate(current));
  const fields = { prompt: 'question', text: String(current), tokens: [] };
  return { task: { id: 'task', data: null }, intent, before, after, quality: current, ...fields };
}

const call = (reward: Reward, answers: readonly Answered[]): Promise<readonly RewardResult[]> =>
  callReward({ reward, timeoutSeconds: 0 }, answers);

const group = [answered('improve', 0.6, 0.2), answered('improve', 0.2, 0.2), answered('improve', 1, 0.2)];

describe('built-in rewards', () => {
  test('`quality` rewards the quality, whatever the intent', async () => {
    const all = (['attempt', 'improve', 'diverge'] as const).map((intent) => answered(intent, 0.4, 0.2));
    expect(await call('quality', all)).toEqual([0.4, 0.4, 0.4]);
  });

  test('`improvement` rewards the fraction of the possible gain, and is never negative', async () => {
    expect(await call('improvement', group)).toEqual([expect.closeTo(0.5), 0, 1]);
    expect(improvementReward(answered('improve', 0.1, 0.9))).toBe(0);
  });

  test('`improvement` rewards attempts and diverge steps by their quality', () => {
    expect(improvementReward(answered('attempt', 0.4))).toBe(0.4);
    expect(improvementReward(answered('diverge', 0.4, 0.8))).toBe(0.4);
  });

  test('`improvement` rewards keeping a right answer where no gain is possible', () => {
    expect(improvementReward(answered('improve', 1, 1))).toBe(1);
    expect(improvementReward(answered('improve', 0.4, 1))).toBe(0.4);
  });

  test('`improvement` measures the rewritten turn, not the turns after it', () => {
    const before = openTurn(openTurn(emptyHistory, iterate(0)), iterate(0.5));
    const after = openTurn(append(before, 1, iterate(0.75)), iterate(0));
    const one = { intent: 'improve', before, after, quality: 0.25 } as const;
    expect(improvementReward(one)).toBe(0.5);
  });

  test('`improvement` lies in [0, 1] for every pair of qualities', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, (current, previous) => {
        const reward = improvementReward(answered('improve', current, previous));
        return reward >= 0 && reward <= 1;
      }),
    );
  });
});

describe('reward functions', () => {
  const double = ({ quality }: Answered): number => 2 * quality;

  test.each<[string, Reward]>([
    ['sync', double],
    ['async', async (one) => double(one)],
    ['for the group', { group: (all) => all.map(double) }],
    ['async for the group', { group: async (all) => Float64Array.from(all, double) }],
  ])('%s', async (_, reward) => {
    expect(await call(reward, group)).toEqual([1.2, 0.4, 2]);
  });

  test.each<[string, Reward, RegExp]>([
    ['throws', () => fail('no disk'), /threw: no disk/],
    ['rejects', async () => fail('no net'), /threw: no net/],
    ['returns NaN', () => Number.NaN, /returned NaN/],
    ['returns infinity', () => Number.NEGATIVE_INFINITY, /returned -Infinity/],
    [
      'returns a text',
      () => '1' as unknown as number,
      /returned the text '1' \(task task\), not a number: write Number/,
    ],
    ['throws for the group', { group: () => fail('no disk') }, /threw: no disk/],
    ['returns too few', { group: () => [1, 2] }, /2 rewards for 3 completions/],
    ['returns too many', { group: () => [1, 2, 3, 4] }, /4 rewards for 3 completions/],
    [
      'returns a bigint',
      () => 1n as unknown as number,
      /returned the bigint 1n \(task task\), not a number: write Number/,
    ],
    ['returns an object', () => ({ score: 1 }) as unknown as number, /returned an object \(task task\), not a number$/],
    ['throws nothing', () => raise(undefined), /the reward function threw: undefined$/],
    ['throws a text', () => raise('no disk'), /threw: the text 'no disk'$/],
    ['rejects with a text', async () => raise('no net'), /threw: the text 'no net'$/],
    [
      'throws an error without a message',
      () => raise(new TypeError()),
      /threw: an error of TypeError without a message$/,
    ],
    [
      "has TRL's parameters",
      { batch: ((completions: string[], _kwargs: object) => completions.map(() => 1)) as never },
      /threw: .*; functions get one object: write \(\{ completions(, _kwargs)? \}\) => … in place of \(completions, _kwargs\)$/,
    ],
    [
      'returns a text for the batch',
      { batch: () => '111' as never },
      /returned the text '111', not a list with one number for each/,
    ],
    ['returns nothing', { group: () => undefined as unknown as number[] }, /returned undefined, not a list/],
  ])('one that %s gives errors, never numbers', async (_, reward, message) => {
    const rewards = await call(reward, group);
    expect(rewards).toHaveLength(3);
    for (const error of rewards) {
      expect(RewardError.isInstance(error)).toBe(true);
      expect(String(error)).toMatch(message);
    }
  });

  test('true and false are 1 and 0, null and undefined no reward, as in TRL', async () => {
    const values = [true, false, undefined] as unknown as number[];
    expect(await call({ group: () => values }, group)).toEqual([1, 0, null]);
    expect(await call((() => undefined) as unknown as Reward, group)).toEqual([null, null, null]);
    expect(await call((() => true) as unknown as Reward, group)).toEqual([1, 1, 1]);
  });

  test('a message names the function, the place and the task', async () => {
    const named = namedReward({ batch: () => [1, '0.5', 1] as number[] }, { name: 'accuracy' });
    const [, second] = await callReward(named, group);
    expect(String(second)).toMatch(
      /^RewardError: the reward function `accuracy` returned the text '0\.5' for completion 2 of 3/,
    );
  });

  test('one invalid reward fails only its own rollout', async () => {
    const [first, second, third] = await call({ group: () => [1, Number.NaN, 3] }, group);
    expect([first, third]).toEqual([1, 3]);
    expect(RewardError.isInstance(second)).toBe(true);
    const alone = await call((one) => (one.quality === 1 ? fail('bad') : one.quality), group);
    expect(alone.slice(0, 2)).toEqual([0.6, 0.2]);
    expect(RewardError.isInstance(alone[2])).toBe(true);
  });
});

function raise(thrown: unknown): never {
  throw thrown;
}

function fail(message: string): never {
  throw new Error(message);
}
