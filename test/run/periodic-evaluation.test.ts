/** The metrics of an evaluation during training: what they include, and which random numbers they use. */
import { describe, expect, test } from 'vitest';
import { parseConfig, type RunConfigInput } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';
import type { Policy } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';
import { periodicEvaluation } from '../../src/run/periodic-evaluation.js';
import type { TaskFamily } from '../../src/task/task.js';
import { digits, type Scripted, scripted } from '../evaluation/digits.js';

type EvaluationInput = RunConfigInput['evaluation'];

const metricsOf = (
  policy: Scripted,
  evaluation: EvaluationInput,
  update = 1,
  family: TaskFamily = digits(),
): Promise<Record<string, number>> => {
  const config = parseConfig({
    task: 'digits',
    model: 'none',
    seed: 7,
    evaluation: { every: 1, draws: 2, ...evaluation },
  });
  return periodicEvaluation(config, policy as unknown as Policy, family, []).evaluate(update);
};

const random = (): Scripted =>
  scripted((_shown, { seed, requestId }, member) => {
    const draw = createRng(seed).fork('digit', requestId, member).int(12);
    return draw < 10 ? String(draw) : '?';
  });

test('reports corrections, unreadable answers and the standard error beside quality and solved', async () => {
  // Right at once; every rewrite is junk, so the first breaks it and none fixes it.
  const junk = scripted(({ intent }) => (intent === 'attempt' ? '9' : 'junk'));
  expect(await metricsOf(junk, { iterations: 3 })).toEqual({
    ...{ 'eval/quality_0': 1, 'eval/quality_1': 0, 'eval/quality_2': 0, 'eval/quality_3': 0 },
    ...{ 'eval/solved_0': 1, 'eval/solved_1': 0, 'eval/solved_2': 0, 'eval/solved_3': 0 },
    ...{ 'eval/solved_error_0': 0, 'eval/solved_error_1': 0, 'eval/solved_error_2': 0, 'eval/solved_error_3': 0 },
    ...{ 'eval/fixed_1': 0, 'eval/fixed_2': 0, 'eval/fixed_3': 0, 'eval/fixed': 0 },
    ...{ 'eval/broken_1': 1, 'eval/broken_2': 0, 'eval/broken_3': 0, 'eval/broken': 1 },
    ...{ 'eval/unreadable_0': 0, 'eval/unreadable_1': 1, 'eval/unreadable_2': 1, 'eval/unreadable_3': 1 },
    ...{ 'eval/delta_quality': -1, 'eval/delta_solved': -1, 'eval/unreadable': 1, 'eval/left_out': 0 },
  });
  expect(await metricsOf(junk, { iterations: 3, unreadable: 'keep' })).toMatchObject({
    ...{ 'eval/solved_3': 1, 'eval/broken': 0, 'eval/unreadable': 1 },
  });
});

test('has columns at powers of two, or at the chosen k', async () => {
  const columns = async (evaluation: EvaluationInput): Promise<string[]> =>
    Object.keys(await metricsOf(random(), evaluation)).filter((name) => /^eval\/solved_\d/.test(name));
  expect(await columns({ iterations: 6 })).toEqual([0, 1, 2, 4, 6].map((k) => `eval/solved_${k}`));
  expect(await columns({ iterations: 6, at: [3] })).toEqual([0, 3, 6].map((k) => `eval/solved_${k}`));
});

describe('random numbers', () => {
  const twice = async (randomNumbers: 'common' | 'fresh') => {
    const settings = { iterations: 4, randomNumbers };
    return [await metricsOf(random(), settings, 1), await metricsOf(random(), settings, 2)];
  };

  test('are the same for each evaluation by default, so that an unchanged policy gives the same numbers', async () => {
    const [first, second] = await twice('common');
    expect(second).toEqual(first);
    expect(await metricsOf(random(), { iterations: 4 }, 3)).toEqual(first);
  });

  test('can be new for each', async () => {
    const [first, second] = await twice('fresh');
    expect(second).not.toEqual(first);
  });
});

test('a verifier that fails everywhere does not end the training', async () => {
  const family: TaskFamily = { ...digits(), verify: () => Promise.reject(new Error('down')) };
  expect(await metricsOf(random(), { iterations: 2 }, 1, family)).toEqual({ 'eval/left_out': 1 });
});

test('a k to report beyond K is refused with its key', () => {
  const parse = () => parseConfig({ task: 'code-breaker', model: 'none', evaluation: { iterations: 4, at: [0, 8] } });
  expect(parse).toThrow(ConfigError);
  expect(parse).toThrow('evaluation.at: [0,8] is not allowed: a k to report is beyond evaluation.iterations');
});
