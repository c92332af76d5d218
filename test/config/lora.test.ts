/** The `lora` section, and TRL's names for it. */

import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError, type ConfigProblem } from '../../src/errors.js';

const base = { task: 'code-breaker', model: 'models/tiny' };
const more = { dora: false, rankPattern: {}, alphaPattern: {}, modulesToSave: [] };
const defaults = { rank: 16, alpha: 32, dropout: 0, targetModules: 'all-linear', rankStabilised: false, ...more };

function problems(input: Record<string, unknown>): readonly ConfigProblem[] {
  try {
    parseConfig({ ...base, ...input });
  } catch (error) {
    if (ConfigError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

describe('lora', () => {
  test('is absent by default, and an empty section gets the defaults', () => {
    expect(parseConfig(base).lora).toBeUndefined();
    expect(parseConfig({ ...base, lora: {} }).lora).toEqual(defaults);
  });

  test.each([[['q_proj', 'model.layers.0.mlp.down_proj']], [['lm_head']]])('takes %j', (targetModules) => {
    expect(parseConfig({ ...base, lora: { targetModules } }).lora?.targetModules).toEqual(targetModules);
  });

  test('a flag lists modules in one text', () => {
    const { lora } = parseConfig({ ...base, lora: { targetModules: 'q_proj,v_proj' } });
    expect(lora?.targetModules).toEqual(['q_proj', 'v_proj']);
  });

  test.each(['all-linear', ['all-linear'], 'All-Linear'])('%j is every linear module', (targetModules) => {
    expect(parseConfig({ ...base, lora: { targetModules } }).lora?.targetModules).toBe('all-linear');
  });

  test.each([
    [['all-linear', 'lm_head'], /`all-linear` stands for every module: it stands alone/],
    [['q_proj', 'v_prj'], /`v_prj` is not a linear module; did you mean `v_proj`\?/],
    ['all-liner', /did you mean `all-linear`\?/],
    [['embed_tokens'], /all-linear, or some of q_proj, k_proj/],
  ])('%j is refused', (targetModules, message) => {
    const found = problems({ lora: { targetModules } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ key: 'lora.targetModules', message: expect.stringMatching(message) });
  });

  test('reports all problems together, unknown keys with the nearest known one', () => {
    const found = problems({ lora: { rank: 0, alpha: -1, dropout: 1, target_module: [] } });
    expect(found.map(({ key }) => key).sort()).toEqual([
      'lora.alpha',
      'lora.dropout',
      'lora.rank',
      'lora.target_module',
    ]);
  });
});

describe("TRL's names", () => {
  test('set the same options', () => {
    const trl = {
      use_peft: true,
      lora_r: 8,
      lora_alpha: 4,
      lora_dropout: 0.05,
      lora_target_modules: ['q_proj'],
      use_rslora: true,
      use_dora: true,
      lora_modules_to_save: ['embed_tokens'],
    };
    const ours = { rank: 8, alpha: 4, dropout: 0.05, targetModules: ['q_proj'], rankStabilised: true, dora: true };
    expect(parseConfig({ ...base, ...trl }).lora).toEqual({ ...more, ...ours, modulesToSave: ['embed_tokens'] });
  });

  test('use_peft: true takes the defaults, false overrides the other names, and anything but a boolean is refused', () => {
    expect(parseConfig({ ...base, use_peft: true }).lora).toEqual(defaults);
    expect(parseConfig({ ...base, use_peft: false, lora_r: 8 }).lora).toBeUndefined();
    expect(problems({ use_peft: 'yes' })).toEqual([
      { key: 'use_peft', message: "must be true or false, not the text 'yes'" },
    ]);
  });
});

test("the section accepts PEFT's names", () => {
  const peft = { r: 4, lora_alpha: 8, lora_dropout: 0.1, target_modules: ['q_proj'], use_rslora: true };
  const ours = { ...more, rank: 4, alpha: 8, dropout: 0.1, targetModules: ['q_proj'], rankStabilised: true };
  expect(parseConfig({ task: 'reds', model: 'm', lora: peft } as ConfigInput).lora).toEqual(ours);
});
