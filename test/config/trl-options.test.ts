/** A config accepts every option of TRL's GRPO command, or refuses it with the reason and the alternative. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formerRefusals } from '../../src/config/former-refusals.js';
import { parseConfig } from '../../src/config/parse.js';
import { refusedNames } from '../../src/config/trl-options.js';
import { refusals } from '../../src/config/trl-refusals.js';
import { ConfigError, type ConfigProblem } from '../../src/errors.js';

const golden = readFileSync(new URL('../golden/trl-fields.json', import.meta.url), 'utf8');
const defaults: Record<string, unknown> = Object.assign({}, ...Object.values(JSON.parse(golden)));
const names = Object.keys(defaults);
const base = { task: 'reds', model: 'm' };

function problemsOf(input: Record<string, unknown>): readonly ConfigProblem[] {
  try {
    parseConfig({ ...base, ...input });
  } catch (error) {
    if (ConfigError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

test('the golden list holds the options of TRL 1.16', () => {
  expect(names.length).toBeGreaterThan(200);
  const some = ['vespo_k_pos', 'use_liger_kernel', 'lora_r', 'dataset_name', 'reward_funcs', 'datasets'];
  expect(names).toEqual(expect.arrayContaining(some));
});

test.each(names)("%s: TRL's default is accepted, alone", (name) => {
  expect(problemsOf({ [name]: defaults[name] })).toEqual([]);
});

test('all defaults together are accepted', () => {
  expect(problemsOf(defaults)).toEqual([]);
});

test.each(names)('%s is known, whatever its value', (name) => {
  for (const value of ['no-such-value', 123456, { no: 'such' }]) {
    expect(problemsOf({ [name]: value }).filter(({ message }) => message === 'unknown option')).toEqual([]);
  }
});

describe('a refused option', () => {
  test('is listed once: with the options of TRL 1.16, or with the others', () => {
    const named = (list: typeof refusals): string[] => list.flatMap(({ options }) => Object.keys(options));
    expect(new Set(refusedNames).size).toBe(refusedNames.length);
    expect(names).toEqual(expect.arrayContaining(named(refusals)));
    expect(named(formerRefusals).filter((name) => names.includes(name))).toEqual([]);
  });

  test.each(refusedNames)('%s is refused with the reason and the alternative', (name) => {
    const [problem, ...others] = problemsOf({ [name]: 'something else' });
    expect(others).toEqual([]);
    expect(problem?.key).toBe(name);
    expect(problem?.message).toMatch(/^is not offered: /);
    expect(problem?.hint?.length).toBeGreaterThan(10);
  });
});

test('switches of precision, device and memory set our keys', () => {
  expect(parseConfig({ ...base, bf16: true, use_cpu: true })).toMatchObject({ dtype: 'bfloat16', device: 'cpu' });
  expect(parseConfig({ ...base, activation_checkpointing: true }).gradientCheckpointing).toBe(true);
  expect(parseConfig({ ...base, max_steps: -1, num_train_epochs: 2 })).toMatchObject({ updates: 0, passes: 2 });
});

test('options that TRL adds to GRPO set our objective', () => {
  const { objective, advantage } = parseConfig({
    ...{ ...base, loss_type: 'vespo', vespo_k_pos: 1, vespo_lambda_pos: 2, vespo_k_neg: 3, vespo_lambda_neg: 4 },
    ...{ top_entropy_quantile: 0.2, off_policy_mask_threshold: 0.5, use_adaptive_entropy: true, entropy_target: 1.5 },
    ...{ entropy_coef_delta: 0.01, entropy_coef_min: 0.1, entropy_coef_max: 0.4 },
    ...{ multi_objective_aggregation: 'normalize_then_sum', rewards: ['./a.ts'] },
  });
  expect(objective).toMatchObject({
    loss: { kind: 'vespo', powerPositive: 1, decayPositive: 2, powerNegative: 3, decayNegative: 4 },
    entropy: { topShare: 0.2, control: { kind: 'adaptive', target: 1.5, change: 0.01, min: 0.1, max: 0.4 } },
    normalisation: { kind: 'token-mean' },
    offPolicyThreshold: 0.5,
  });
  expect(advantage).toMatchObject({ aggregation: 'normalise-then-sum', std: 'sample' });
});

test('combinations that exclude each other are refused', () => {
  const keys = (input: Record<string, unknown>) => problemsOf(input).map(({ key }) => key);
  expect(keys({ loss_type: 'vespo', vllm_importance_sampling_correction: true })).toEqual([
    'objective.correction.kind',
  ]);
  expect(keys({ loss_type: 'vespo', vllm_importance_sampling_mode: 'token_mask' })).toEqual([]);
  const aggregated = { multi_objective_aggregation: 'normalize_then_sum' };
  expect(keys(aggregated)).toEqual(['advantage.aggregation']);
  expect(keys({ ...aggregated, rewards: ['./a.ts'], reward: 'improvement' })).toEqual(['advantage.aggregation']);
  expect(keys({ ...aggregated, rewards: ['./a.ts'], scale_rewards: 'none' })).toEqual(['advantage.baseline']);
  expect(keys({ ...aggregated, rewards: ['./a.ts'], dynamicSampling: 'refill' })).toEqual([]);
  expect(keys({ ...aggregated, rewards: ['./a.ts'], dynamicSampling: 'skip' })).toEqual(['dynamicSampling']);
  for (const entropy of [{ topShare: 0.2 }, { control: 'adaptive' }]) {
    expect(keys({ dynamicSampling: 'skip', objective: { entropy } })).toEqual(['dynamicSampling']);
  }
  expect(keys({ use_adaptive_entropy: true, entropy_coef_min: 2 })).toEqual(['objective.entropy.control.min']);
});
