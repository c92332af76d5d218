import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { createCutOffWarning, warnOfNoReplay } from '../../src/run/advice.js';

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
  expect(warnings[0]).toContain('sampling.maxNewTokens');
});
