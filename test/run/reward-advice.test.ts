/** Runs that cannot learn: found at the first update, or said at the end. Needs no engine. */
import { describe, expect, test } from 'vitest';
import { PromptTooLongError, RewardError, TaskError } from '../../src/errors.js';
import { emptyHistory } from '../../src/history.js';
import type { Group } from '../../src/method/group.js';
import type { Outcome } from '../../src/method/outcome.js';
import { namedReward } from '../../src/reward/named.js';
import { checkPrompts } from '../../src/run/prompt-check.js';
import { watchRewards } from '../../src/run/reward-advice.js';
import { createStallGuard } from '../../src/run/training.js';
import type { TaskFamily } from '../../src/task/task.js';

const start = { task: { id: 't', data: {} }, history: emptyHistory, intent: 'attempt' } as const;

/** A group with these outcomes, and the rewards of one function. */
function group(outcomes: readonly Outcome[], values: readonly number[] = []): Group {
  return {
    start,
    rollouts: outcomes.map((outcome) => ({ start, turns: [], history: emptyHistory, quality: 0, outcome })),
    rewards: Float64Array.from(values),
    qualities: Float64Array.from(outcomes, () => 0),
    score: 0,
    columns: [{ name: 'accuracy', values: Float64Array.from(values), trouble: Uint8Array.from(values, () => 0) }],
  };
}

const failed = (boundary: 'task' | 'reward' | 'policy'): Outcome => ({ kind: 'failed', boundary, detail: 'why' });
const [finished, overlong]: readonly Outcome[] = [{ kind: 'finished' }, { kind: 'overlong' }];

describe('a run stops', () => {
  const firstUpdate = (...outcomes: readonly (Outcome | undefined)[]) => {
    const guard = createStallGuard();
    return () => guard([group(outcomes as Outcome[])]);
  };

  test('after the first update in which a function never worked', () => {
    expect(firstUpdate(failed('reward'), failed('reward'))).toThrow(RewardError);
    expect(firstUpdate(failed('task'), failed('task'))).toThrow(
      /in the first update no answer could be used.*task failed: why/,
    );
    // The verifier is not asked about an overlong answer, but a reward function is.
    expect(firstUpdate(failed('task'), overlong)).toThrow(TaskError);
    expect(firstUpdate(failed('reward'), overlong)).not.toThrow();
    expect(firstUpdate(failed('policy'), overlong)).not.toThrow();
    expect(firstUpdate(failed('task'), finished)).not.toThrow();
  });

  test('later after three updates in a row without a group to train on', () => {
    const guard = createStallGuard();
    const bad = [group([failed('task'), failed('task')])];
    guard([group([finished as Outcome])]);
    guard(bad);
    guard(bad);
    expect(() => guard(bad)).toThrow(/in 3 consecutive updates every group failed/);
  });
});

describe('rewards', () => {
  test('warns at the first answers for which a function failed, and counts them at the end', () => {
    const warnings: string[] = [];
    const reward = namedReward(() => 0, { name: 'accuracy' });
    const watched = watchRewards([reward], true, (text) => warnings.push(text));
    const detail = 'the reward function `accuracy` threw: why';
    const bad = group([finished as Outcome, { ...failed('reward'), detail } as Outcome], [1, Number.NaN]);
    for (const { trouble } of bad.columns) trouble[1] = 1;
    for (const groups of [[bad], [bad, bad]]) watched.see(groups);
    watched.finish();
    expect(warnings).toEqual([
      `the reward function \`accuracy\` failed for 1 of 2 answers: ${detail}`,
      'the reward function `accuracy` failed for 3 of 6 answers, which were left out',
    ]);
  });

  function watch(values: readonly (readonly number[])[], range?: [number, number], measures = true): string[] {
    const warnings: string[] = [];
    const reward = namedReward(() => 0, { name: 'accuracy', ...(range && { range }) });
    const watched = watchRewards([reward], measures, (text) => warnings.push(text));
    for (const update of values)
      watched.see([
        group(
          update.map(() => finished as Outcome),
          update,
        ),
      ]);
    watched.finish();
    return warnings;
  }

  test('outside their range are named once, with the cure, and counted at the end', () => {
    const [first, last, ...others] = watch([
      [0, 3, 1],
      [5, 5, 0.5],
    ]);
    expect(others).toEqual([]);
    expect(first).toMatch(/`accuracy` returned 3, outside its range \[0, 1\].*range: \[least, largest\]/);
    expect(last).toMatch(/^3 of 6 rewards of `accuracy` lay outside its range/);
  });

  test('inside their range, or where a verifier measures quality, are not', () => {
    expect(watch([[0, 3, 1]], [0, 3])).toEqual([]);
    expect(watch([[0, 3, 1]], undefined, false)).toEqual([]);
  });

  test('that are all null are named at the first update and at the end', () => {
    const [none, some] = [
      [Number.NaN, Number.NaN],
      [Number.NaN, 1],
    ];
    const [first, last, ...others] = watch([none, none]);
    expect(others).toEqual([]);
    expect(first).toMatch(/returned null for all 2 answers of the first update/);
    expect(last).toBe('all 4 rewards of `accuracy` were null');
    expect(watch([some, none])).toEqual([]);
  });
});

describe('prompts', () => {
  /** A model with a context of 100 tokens, of which every letter is one. */
  const policy = {
    info: () => ({ contextLength: 100 }),
    encodePrompt: async (prompt: unknown) => new Int32Array(String(prompt).length),
  } as unknown as Parameters<typeof checkPrompts>[0];

  const familyOf = (lengths: readonly number[]): TaskFamily => ({
    name: 'mine',
    turns: 1,
    tasks: () => lengths.map((length, at) => ({ id: `t${at}`, data: length })),
    prompt: ({ data }) => (data === -1 ? raise() : 'x'.repeat(Number(data))),
    verify: () => ({ quality: 0, wellFormed: true }),
  });

  async function check(...lengths: readonly number[]): Promise<readonly string[]> {
    const warnings: string[] = [];
    await checkPrompts(policy, familyOf(lengths), 20, (text) => warnings.push(text));
    return warnings;
  }

  test('that fit give no word, and one that cannot be built fails where it is used', async () => {
    expect(await check(10, 60, 80, -1)).toEqual([]);
  });

  test('that leave no room are counted, with the longest', async () => {
    const [long, tight, ...others] = await check(10, 100, 120, 90);
    expect(others).toEqual([]);
    expect(long).toMatch(
      /^2 of the 4 prompts leave no room for an answer.*task t2 has 120 tokens, and the context of the model 100/,
    );
    expect(tight).toMatch(
      /^1 of the 4 prompts leave less than the 20 tokens of sampling\.maxNewTokens.*task t3 has 90/,
    );
  });

  test('of which none leaves room end the run', async () => {
    await expect(check(100, 130)).rejects.toThrow(
      /none of the 2 prompts leaves room for an answer: task t1 has 130 tokens/,
    );
    await expect(check(100)).rejects.toBeInstanceOf(PromptTooLongError);
  });
});

function raise(): never {
  throw new Error('no prompt');
}
