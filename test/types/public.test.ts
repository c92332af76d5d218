/** Checks the types that users write against: a family with its own data, rewards and their columns, a curriculum, requests. */
import type {
  Curriculum,
  Group,
  LocalPolicy,
  Message,
  MetricsRow,
  RewardBatch,
  Start,
  Task,
  TaskFamily,
  TrainRunOptions,
  TrainRunResult,
  Verdict,
} from 'exit-rl';
import { type Answered, type BatchReward, namedReward } from 'exit-rl/rewards';
import { describe, expect, expectTypeOf, test } from 'vitest';

interface Sum {
  readonly left: number;
  readonly right: number;
}

describe('a task family with its own data type', () => {
  const sums: TaskFamily<Sum> = {
    name: 'sums',
    turns: 1,
    tasks: () => [{ id: 'one', data: { left: 1, right: 1 } }],
    prompt: ({ data }) => `${data.left} + ${data.right} =`,
    verify: ({ data }, _history, answer) => ({
      quality: Number(Number(answer) === data.left + data.right),
      wellFormed: true,
    }),
  };

  test('types its data in prompt and verify', () => {
    expectTypeOf(sums.tasks('train')).toEqualTypeOf<readonly Task<Sum>[]>();
    expectTypeOf<Parameters<typeof sums.prompt>[0]['data']>().toEqualTypeOf<Sum>();
    expectTypeOf(sums.verify).returns.toEqualTypeOf<Verdict | Promise<Verdict>>();
    expect(sums.prompt(sums.tasks('train')[0] as Task<Sum>, { turns: [] }, 'attempt')).toBe('1 + 1 =');
  });

  test('is assignable to every parameter of type TaskFamily', () => {
    expectTypeOf<{ family: TaskFamily<Sum> }>().toExtend<Pick<TrainRunOptions, 'family'>>();
    expectTypeOf(sums).toExtend<TaskFamily>();
  });

  test('is refused without verify, and with a quality that is no number', () => {
    // @ts-expect-error: verify is missing
    const missing: TaskFamily<Sum> = { name: 'sums', turns: 1, tasks: sums.tasks, prompt: sums.prompt };
    // @ts-expect-error: quality is a number
    const wrong: TaskFamily<Sum> = { ...sums, verify: () => ({ quality: 'good', wellFormed: true }) };
    expect([missing.name, wrong.name]).toEqual(['sums', 'sums']);
  });
});

describe('a reward function', () => {
  test('of one answer receives task, text and quality', () => {
    const reward = namedReward(({ text, quality, task }) => {
      expectTypeOf(text).toEqualTypeOf<string>();
      expectTypeOf(quality).toEqualTypeOf<number>();
      expectTypeOf(task).toEqualTypeOf<Answered['task']>();
      return text.length > 3 ? quality : null;
    });
    expect(reward.name).toBe('reward');
  });

  test('of a batch receives texts, completions and prompts as lists', () => {
    const reward: BatchReward = {
      batch: ({ texts, completions, prompts }) => {
        expectTypeOf(texts).toEqualTypeOf<readonly string[]>();
        expectTypeOf(completions).toEqualTypeOf<readonly (string | readonly Message[])[]>();
        expectTypeOf(prompts.length).toEqualTypeOf<number>();
        return texts.map(() => 1);
      },
    };
    expect(namedReward(reward, { name: 'ones', weight: 2 }).weight).toBe(2);
    expectTypeOf<RewardBatch>().toHaveProperty('texts');
  });
});

test('a curriculum returns and observes whole batches', () => {
  expectTypeOf<Parameters<Curriculum['observe']>[0]>().toEqualTypeOf<readonly Group[]>();
  expectTypeOf<ReturnType<Curriculum['nextBatch']>>().toEqualTypeOf<readonly Start[]>();
  expectTypeOf<Parameters<Curriculum['nextBatch']>[0]>().toEqualTypeOf<number>();
});

test('a policy generates from a text, with defaults for everything', () => {
  expectTypeOf<'Hi'>().toExtend<Parameters<LocalPolicy['generate']>[0]>();
  expectTypeOf<{ prompt: string }>().toExtend<Parameters<LocalPolicy['generate']>[0]>();
  expectTypeOf<{ prompt: string; tempreture: number }>().not.toExtend<{ temperature: number }>();
});

test('a run returns its folder, its metrics and its evaluation', () => {
  expectTypeOf<TrainRunResult['path']>().toEqualTypeOf<string>();
  expectTypeOf<MetricsRow['update']>().toEqualTypeOf<number>();
  expectTypeOf<NonNullable<TrainRunResult['evaluation']>['solved']>().toEqualTypeOf<readonly number[]>();
});
