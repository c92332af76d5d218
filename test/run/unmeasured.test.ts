/** An evaluation during training in which nothing could be measured: no number stands for what is unknown. */
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.js';
import { evaluateRewards } from '../../src/evaluation/evaluate-rewards.js';
import { namedReward } from '../../src/reward/named.js';
import { afterEvaluation, type BestState } from '../../src/run/state.js';
import type { TaskFamily } from '../../src/task/task.js';
import { ladderTasks, oneRung } from '../support/ladder.js';
import { digitScript, scriptedPolicy } from '../support/scripted-policy.js';

const isOut = (): never => {
  throw new Error('the verifier is down');
};
const down: TaskFamily = { ...(oneRung as TaskFamily), verify: isOut };

const evaluateWith = (family: TaskFamily, reward: () => number | null) =>
  evaluateRewards({
    policy: scriptedPolicy(digitScript) as never,
    family,
    tasks: ladderTasks.slice(0, 3),
    plan: { functions: [namedReward(reward, { name: 'given' })], trained: 'sum' },
    generations: 2,
    sampling: { temperature: 1, maxNewTokens: 2 },
    seed: 1,
  });

const unmeasured = [
  ['every verifier call failed', down, () => -1],
  ['every reward was null', oneRung as TaskFamily, () => null],
] as const;

test.each(unmeasured)('%s: no reward, no quality, no solved share', async (_, family, reward) => {
  const names = Object.keys(await evaluateWith(family, reward));
  expect(names).toContain('eval_groups_dropped');
  for (const name of ['eval_reward', 'eval_reward_std', 'eval_quality', 'eval_solved'])
    expect(names).not.toContain(name);
  expect(await evaluateWith(oneRung as TaskFamily, () => -1)).toMatchObject({ eval_reward: -1 });
});

describe('the best evaluation', () => {
  const best = { greaterIsBetter: true, patience: 1, threshold: 0 };
  const before: BestState = { update: 4, value: -1, withoutGain: 0 };

  test.each(unmeasured)('stays where %s', async (_, family, reward) => {
    const metrics = await evaluateWith(family, reward);
    expect(afterEvaluation({ ...best, metric: 'reward' }, before, 5, metrics)).toEqual(before);
    expect(afterEvaluation({ ...best, metric: 'reward' }, undefined, 5, metrics)).toBeUndefined();
  });

  test('stays where every chain failed', () => {
    const metrics = { 'eval/left_out': 1 };
    expect(afterEvaluation({ ...best, metric: 'eval/solved_4' }, before, 5, metrics)).toEqual(before);
    expect(afterEvaluation({ ...best, metric: 'eval/solved_4' }, undefined, 5, metrics)).toBeUndefined();
  });

  test('a name that a measured evaluation lacks is refused', () => {
    const metrics = { 'eval/solved_4': 0.5, 'eval/left_out': 0.5 };
    expect(() => afterEvaluation({ ...best, metric: 'eval/solved_5' }, before, 5, metrics)).toThrow(ConfigError);
  });
});
