import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import {
  createClampWarning,
  createCollapseWarning,
  createCutOffWarning,
  createEqualRewardsWarning,
  createUpdateWarnings,
  warnBeforeTraining,
  warnOfNoComparison,
  warnOfNoReplay,
} from '../../src/run/advice.js';

const config = (changes: object) => parseConfig({ task: 'reds', model: 'm', ...changes });

describe('the warning about replay', () => {
  const warningsOf = (changes: object, turns = 1): string[] => {
    const warnings: string[] = [];
    warnOfNoReplay(config(changes), { turns }, (text) => warnings.push(text));
    return warnings;
  };

  test('names how much is stored and needed where a run can never replay', () => {
    const [warning, ...others] = warningsOf({ method: 'exit', updates: 3, startsPerBatch: 3 });
    expect(others).toEqual([]);
    expect(warning).toMatch(/begins at 128 stored starts, and this run can store 9.*buffer\.minimumFill/);
  });

  test('says that a group of one scores no start', () => {
    const advantage = { groupOfOne: 'reward' } as const;
    expect(warningsOf({ method: 'exit', groupSize: 1, advantage })).toEqual([
      expect.stringMatching(/groupSize is 1.*no start is stored/),
    ]);
    expect(warningsOf({ method: 'grpo', groupSize: 1, advantage })).toEqual([]);
  });

  test('is not due where the run can store enough, over all turns, or never replays', () => {
    expect(warningsOf({ method: 'exit', updates: 8, startsPerBatch: 16 })).toEqual([]);
    expect(warningsOf({ method: 'exit', updates: 22, startsPerBatch: 2 }, 3)).toEqual([]);
    expect(warningsOf({ method: 'grpo', updates: 1, startsPerBatch: 1 })).toEqual([]);
  });
});

test('the warning about cut-off answers comes once, with share, length and cure', () => {
  const warnings: string[] = [];
  const warn = createCutOffWarning(config({ sampling: { maxNewTokens: 16 } }), (text) => warnings.push(text));
  for (const [update, ratio] of [0.2, 0.917, 1].entries()) warn({ update, 'completions/clipped_ratio': ratio });
  expect(warnings).toEqual([expect.stringMatching(/^92 % of the answers of update 1 were cut off at 16 tokens/)]);
  expect(warnings[0]).toMatch(/are not trained on; raise sampling\.maxNewTokens, or set overlongFilter: false$/);
});

test('the warning about cut-off answers names the filter only where it masks them', () => {
  const warnings: string[] = [];
  const warn = createCutOffWarning(config({ overlongFilter: false }), (text) => warnings.push(text));
  warn({ update: 1, 'completions/clipped_ratio': 1 });
  expect(warnings).toEqual([expect.stringMatching(/they count as quality 0; raise sampling\.maxNewTokens$/)]);
});

describe('the warning about groups without comparison', () => {
  const warningsOf = (changes: object): string[] => {
    const warnings: string[] = [];
    warnOfNoComparison(config(changes), (text) => warnings.push(text));
    return warnings;
  };

  test('names a temperature of 0, with the fix', () => {
    expect(warningsOf({ sampling: { temperature: 0 } })).toEqual([expect.stringMatching(/temperature is 0.*above 0/)]);
  });

  test('is not due where the rewards of a group can differ, or train a group of one', () => {
    expect(warningsOf({})).toEqual([]);
    expect(warningsOf({ groupSize: 1, advantage: { groupOfOne: 'reward' } })).toEqual([]);
  });

  test('comes before the first update', () => {
    const warnings: string[] = [];
    warnBeforeTraining(config({ sampling: { temperature: 0 }, method: 'grpo' }), { turns: 1 }, (text) =>
      warnings.push(text),
    );
    expect(warnings).toHaveLength(1);
  });
});

describe('the warning about equal rewards', () => {
  const warningsOf = (shares: readonly number[], changes: object = {}): string[] => {
    const warnings: string[] = [];
    const warn = createEqualRewardsWarning(config(changes), (text) => warnings.push(text));
    for (const [at, share] of shares.entries()) warn({ update: at + 1, frac_reward_zero_std: share });
    return warnings;
  };

  test('comes once, at the third update in a row, with what to try', () => {
    const expected = expect.stringMatching(/in updates 3 to 5 .*same reward.*reward function.*easier tasks/);
    expect(warningsOf([1, 0.5, 1, 1, 1, 1, 1, 1, 1])).toEqual([expected]);
  });

  test('is not due where one group differs in between, nor for groups of one', () => {
    expect(warningsOf([1, 1, 0.9, 1, 1, 0])).toEqual([]);
    expect(warningsOf([1, 1, 1, 1], { groupSize: 1, advantage: { groupOfOne: 'reward' } })).toEqual([]);
  });

  test('is one of the warnings about updates', () => {
    const warnings: string[] = [];
    const warn = createUpdateWarnings(config({}), (text) => warnings.push(text));
    for (const update of [1, 2, 3]) warn({ update, frac_reward_zero_std: 1, 'completions/clipped_ratio': 1 });
    expect(warnings).toHaveLength(2);
  });
});

describe('the warning about the diversity bonus', () => {
  const warningsOf = (shares: readonly number[], changes: object = {}): string[] => {
    const warnings: string[] = [];
    const warn = createClampWarning(config(changes), (text) => warnings.push(text));
    for (const [at, share] of shares.entries()) warn({ update: at + 1, 'diversity/clamped_share': share });
    return warnings;
  };

  test('comes once, when more than half of a batch is at the clamp, with cures', () => {
    const expected = expect.stringMatching(/^60 % of the answers of update 3 .*diversity\.clamp = 3.*clamp to 1/);
    expect(warningsOf([0.2, 0.5, 0.6, 1])).toEqual([expected]);
  });

  test('is not due where the clamp amplifies nothing, or without a bonus', () => {
    expect(warningsOf([1], { diversity: { clamp: 1 } })).toEqual([]);
    const warnings: string[] = [];
    createClampWarning(config({}), (text) => warnings.push(text))({ update: 1 });
    expect(warnings).toEqual([]);
  });
});

describe('the warning about replay that collapses', () => {
  const warningsOf = (changes: object, ...rows: readonly [size: number, effective: number, topTask: number][]) => {
    const warnings: string[] = [];
    const warn = createCollapseWarning(config(changes), (text) => warnings.push(text));
    for (const [at, [size, effective, topTask]] of rows.entries()) {
      const [few, top] = ['curriculum/effective_starts', 'curriculum/top_task_share'];
      warn({ update: at + 1, 'buffer/size': size, [few]: effective, [top]: topTask });
    }
    return warnings;
  };

  test('comes once, for few effective starts or one task, with cures', () => {
    const expected = expect.stringMatching(/update 2 the 200 starts of the buffer count as 3\.1, and 20 %.*taskShare/);
    expect(warningsOf({}, [200, 60, 0.1], [200, 3.1, 0.2], [200, 3, 0.2])).toEqual([expected]);
    expect(warningsOf({}, [200, 60, 0.51])).toEqual([expect.stringMatching(/51 % of the replays are of one task/)]);
  });

  test('is not due before replay begins, or in a small buffer', () => {
    expect(warningsOf({}, [127, 2, 0.9])).toEqual([]);
    expect(warningsOf({ buffer: { capacity: 24, minimumFill: 3 } }, [24, 1, 1])).toEqual([]);
  });
});
