import { describe, expect, test } from 'vitest';
import { parseConfig, parseLayers } from '../../src/config.js';
import { ConfigError } from '../../src/errors.js';
import { readGolden } from '../golden/support.js';

interface BatchCase {
  readonly keys: Readonly<Record<string, number>>;
  /** As TRL has it; null where it refuses. */
  readonly cut: Readonly<Record<'rollouts' | 'parts' | 'part' | 'accumulated' | 'group', number>> | null;
}
const batches = readGolden<{ cases: readonly BatchCase[] }>('batch-sizes.json').cases.filter(
  // Without a key of these our own defaults stand.
  ({ keys }) => Object.keys(keys).length > 1,
);

const base = { task: 'reds', model: 'm' };
const objectiveOf = (input: Record<string, unknown>) => parseConfig({ ...base, ...input }).objective;

function problemsOf(input: Record<string, unknown>): string[] {
  try {
    parseConfig({ ...base, ...input });
  } catch (error) {
    if (ConfigError.isInstance(error)) return error.problems.map(({ key }) => key);
    throw error;
  }
  return [];
}

test.each([
  ['grpo', { loss: 'clip', normalisation: 'sequence-mean', importanceRatio: 'token' }],
  ['bnpo', { loss: 'clip', normalisation: 'local-token-mean' }],
  ['dr_grpo', { loss: 'clip', normalisation: 'constant' }],
  ['dapo', { loss: 'clip', normalisation: 'token-mean' }],
  ['sapo', { loss: 'sapo', normalisation: 'sequence-mean' }],
  ['luspo', { loss: 'clip', normalisation: 'sequence-sum' }],
  ['gspo', { loss: 'clip', normalisation: 'sequence-mean', importanceRatio: 'sequence' }],
])('loss_type %s is a loss and a normalisation', (name, expected) => {
  expect(objectiveOf({ loss_type: name })).toMatchObject(expected);
});

test('cispo asks for the bound of the ratio', () => {
  expect(problemsOf({ loss_type: 'cispo' })).toEqual(['objective.clipEpsilonHigh']);
  const found = objectiveOf({ loss_type: 'cispo', epsilon_high: 5 });
  expect(found).toMatchObject({ loss: 'cispo', normalisation: 'token-mean', clipEpsilonHigh: 5 });
});

test('what a loss type implies gives way to what is said beside it, and goes before lower layers', () => {
  expect(objectiveOf({ loss_type: 'dapo', objective: { normalisation: 'constant' } }).normalisation).toBe('constant');
  expect(objectiveOf({ loss_type: 'luspo', importance_sampling_level: 'sequence' })).toMatchObject({
    normalisation: 'sequence-sum',
    importanceRatio: 'sequence',
  });
  const layered = parseLayers([{ ...base, objective: { normalisation: 'sequence-mean' } }, { loss_type: 'dapo' }]);
  expect(layered.objective.normalisation).toBe('token-mean');
});

test('numbers land on our keys', () => {
  const found = objectiveOf({
    ...{ delta: 1.5, sapo_temperature_pos: 2, sapo_temperature_neg: 3, beta: 0.1, use_bias_correction_kl: true },
    ...{ entropy_coef: 0.01, num_iterations: 3, epsilon: 0.1, epsilon_high: 0.3 },
  });
  expect(found).toMatchObject({
    ...{ delta: 1.5, sapoTemperaturePositive: 2, sapoTemperatureNegative: 3, beta: 0.1, klRatio: true },
    ...{ entropyCoefficient: 0.01, epochs: 3, clipEpsilonLow: 0.1, clipEpsilonHigh: 0.3 },
  });
  expect(parseConfig({ ...base, gradient_checkpointing: true }).gradientCheckpointing).toBe(true);
});

describe('the correction of the sampler', () => {
  test('is off, on with the default mode, or as named', () => {
    expect(objectiveOf({}).samplingCorrection).toEqual({ mode: 'none', max: 3, min: null });
    expect(objectiveOf({ vllm_importance_sampling_correction: true }).samplingCorrection.mode).toBe('sequence-mask');
    const named = { vllm_importance_sampling_mode: 'token_truncate', vllm_importance_sampling_clip_max: 2 };
    expect(objectiveOf(named).samplingCorrection).toEqual({ mode: 'token-truncate', max: 2, min: null });
    const both = { ...named, vllm_importance_sampling_correction: true };
    expect(objectiveOf(both).samplingCorrection.mode).toBe('token-truncate');
    expect(objectiveOf({ ...both, vllm_importance_sampling_correction: false }).samplingCorrection.mode).toBe('none');
  });

  test('has nothing to correct where the sampler is taken at its word', () => {
    const found = { useRolloutLogprobs: true, samplingCorrection: { mode: 'token-mask' } };
    expect(problemsOf({ objective: found })).toEqual(['objective.samplingCorrection.mode']);
  });
});

test("scale_rewards is TRL's standard deviation, of the group or of the batch, or none", () => {
  const advantageOf = (scale_rewards: unknown) => parseConfig({ ...base, scale_rewards }).advantage;
  expect(advantageOf('group')).toMatchObject({ baseline: 'std', stdOver: 'group', std: 'sample', epsilon: 1e-4 });
  expect(advantageOf('batch')).toMatchObject({ baseline: 'std', stdOver: 'batch', std: 'sample' });
  expect(advantageOf('none')).toMatchObject({ baseline: 'mean' });
});

describe("TRL's batches", () => {
  const cutOf = (input: Record<string, unknown>) => {
    const { startsPerBatch, objective } = parseConfig({ ...base, ...input });
    return [startsPerBatch, objective.miniBatches, objective.localRollouts, objective.miniBatchOrder];
  };

  test('are counted in rollouts', () => {
    const accumulated = { per_device_train_batch_size: 4, gradient_accumulation_steps: 4, num_generations: 8 };
    expect(cutOf(accumulated)).toEqual([2, 1, 4, 'fixed']);
    expect(cutOf({ ...accumulated, steps_per_generation: 12 })).toEqual([6, 3, 4, 'shuffled']);
    expect(cutOf({ ...accumulated, generation_batch_size: 32 })).toEqual([4, 2, 4, 'shuffled']);
    expect(cutOf({ per_device_train_batch_size: 16 })).toEqual([2, 1, 16, 'fixed']);
  });

  test.each(batches.map(({ keys, cut }) => [JSON.stringify(keys), keys, cut] as const))('%s', (_, keys, cut) => {
    const whole = cut !== null && cut.parts % cut.accumulated === 0;
    // TRL also takes parts that do not fill the last optimizer step; here a step's parts are of one batch.
    if (!whole) return expect(problemsOf(keys)).toHaveLength(1);
    const { startsPerBatch, groupSize, objective } = parseConfig({ ...base, ...keys });
    expect(startsPerBatch * groupSize).toBe(cut.rollouts);
    expect(groupSize).toBe(cut.group);
    expect(objective.miniBatches).toBe(cut.parts / cut.accumulated);
    expect(objective.localRollouts).toBe(cut.part);
  });

  test('that are no whole groups or steps, or are said twice, are refused', () => {
    expect(problemsOf({ per_device_train_batch_size: 3 })).toEqual(['per_device_train_batch_size']);
    expect(problemsOf({ gradient_accumulation_steps: 2, steps_per_generation: 3 })).toEqual([
      'gradient_accumulation_steps',
    ]);
    expect(problemsOf({ per_device_train_batch_size: 16, startsPerBatch: 2 })).toEqual(['per_device_train_batch_size']);
    expect(problemsOf({ gradient_accumulation_steps: 0 })).toEqual(['gradient_accumulation_steps']);
  });
});

describe('schedules', () => {
  test('a minimum is a rate or a share', () => {
    const optimizerOf = (input: Record<string, unknown>) => parseConfig({ ...base, ...input }).optimizer;
    const cosine = { lr_scheduler_type: 'cosine_with_min_lr', learning_rate: 1e-4 };
    expect(optimizerOf({ ...cosine, lr_scheduler_kwargs: { min_lr: 1e-5 } }).finalShare).toBeCloseTo(0.1, 12);
    expect(optimizerOf({ ...cosine, lr_scheduler_kwargs: { min_lr_rate: 0.2 } }).finalShare).toBe(0.2);
    expect(problemsOf({ ...cosine, lr_scheduler_kwargs: { num_cycles: 2 } })).toEqual(['lr_scheduler_kwargs']);
  });

  test('what would be left out without a word is refused', () => {
    expect(problemsOf({ lr_scheduler_type: 'constant', warmup_steps: 3 })).toEqual(['lr_scheduler_type']);
    expect(problemsOf({ lr_scheduler_type: 'polynomial' })).toEqual(['lr_scheduler_type']);
    expect(problemsOf({ optimizer: { warmupUpdates: 3, warmupRatio: 0.1 } })).toEqual(['optimizer.warmupRatio']);
  });
});

test('more optimizer steps than rollouts are refused', () => {
  expect(problemsOf({ startsPerBatch: 2, groupSize: 2, objective: { miniBatches: 5 } })).toEqual([
    'objective.miniBatches',
  ]);
});
