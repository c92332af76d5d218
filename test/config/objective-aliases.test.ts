import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { parseConfig, parseLayers } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';
import { readGolden } from '../golden/support.js';

interface BatchCase {
  readonly keys: Readonly<Record<string, number>>;
  /** TRL's batch; null where TRL refuses the keys. */
  readonly cut: Readonly<Record<'rollouts' | 'parts' | 'part' | 'accumulated' | 'group', number>> | null;
}
const batches = readGolden<{ cases: readonly BatchCase[] }>('batch-sizes.json').cases.filter(
  // Without one of these keys our own defaults apply.
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
  ['grpo', 'clip', 'sequence-mean', 'token'],
  ['bnpo', 'clip', 'local-token-mean', 'token'],
  ['dr_grpo', 'clip', 'constant', 'token'],
  ['dapo', 'clip', 'token-mean', 'token'],
  ['sapo', 'sapo', 'sequence-mean', 'token'],
  ['luspo', 'clip', 'sequence-sum', 'token'],
  ['gspo', 'clip', 'sequence-mean', 'sequence'],
])(
  'loss_type %s is the loss %s divided by %s, with the ratio of a %s',
  (name, loss, normalisation, importanceRatio) => {
    const found = objectiveOf({ loss_type: name });
    expect(found).toMatchObject({ loss: { kind: loss }, normalisation: { kind: normalisation }, importanceRatio });
  },
);

test('cispo requires the bound of the ratio', () => {
  expect(problemsOf({ loss_type: 'cispo' })).toEqual(['objective.loss.high']);
  const found = objectiveOf({ loss_type: 'cispo', epsilon_high: 5 });
  expect(found).toMatchObject({ loss: { kind: 'cispo', high: 5 }, normalisation: { kind: 'token-mean' } });
});

test('explicit keys override the values that a loss type implies, and these override lower layers', () => {
  const constant = { normalisation: { kind: 'constant', length: 9 } };
  expect(objectiveOf({ loss_type: 'dapo', objective: constant }).normalisation).toEqual(constant.normalisation);
  expect(objectiveOf({ loss_type: 'luspo', importance_sampling_level: 'sequence' })).toMatchObject({
    normalisation: { kind: 'sequence-sum' },
    importanceRatio: 'sequence',
  });
  const layered = parseLayers([{ ...base, objective: constant }, { loss_type: 'dapo' }]);
  expect(layered.objective.normalisation).toEqual({ kind: 'token-mean' });
});

test('numbers set our keys', () => {
  const found = objectiveOf({
    ...{ delta: 1.5, epsilon: 0.1, epsilon_high: 0.3, beta: 0.1, use_bias_correction_kl: true },
    ...{ entropy_coef: 0.01, num_iterations: 3 },
  });
  expect(found).toMatchObject({
    loss: { kind: 'clip', low: 0.1, high: 0.3, delta: 1.5 },
    kl: { beta: 0.1, ratio: true },
    entropy: { coefficient: 0.01 },
    batchEpochs: 3,
  });
  const sapo = { loss_type: 'sapo', sapo_temperature_pos: 2, sapo_temperature_neg: 3 };
  expect(objectiveOf(sapo).loss).toEqual({ kind: 'sapo', temperaturePositive: 2, temperatureNegative: 3 });
  expect(parseConfig({ ...base, gradient_checkpointing: true }).gradientCheckpointing).toBe(true);
});

describe('an option of a loss', () => {
  test("by TRL's name is ignored with another loss, as in TRL", () => {
    const given = { sapo_temperature_pos: 2, vespo_k_pos: 5, epsilon: 0.1, delta: 4 };
    expect(objectiveOf({ ...given, loss_type: 'grpo' }).loss).toMatchObject({ kind: 'clip', low: 0.1, delta: 4 });
    expect(objectiveOf({ ...given, loss_type: 'sapo' }).loss).toMatchObject({ kind: 'sapo', temperaturePositive: 2 });
  });

  test('may be in another layer than the name of the loss', () => {
    const layered = parseLayers([{ ...base, loss_type: 'sapo' }, { sapo_temperature_pos: 2 }]);
    expect(layered.objective.loss).toMatchObject({ kind: 'sapo', temperaturePositive: 2 });
  });
});

describe('the correction of the behaviour policy', () => {
  test('is off, on with the default mode, or in the named mode', () => {
    const correctionOf = (input: Record<string, unknown>) => objectiveOf(input).correction;
    expect(correctionOf({})).toEqual({ kind: 'none' });
    const mask = { kind: 'sequence', beyond: 'mask', max: 3, min: null };
    expect(correctionOf({ vllm_importance_sampling_correction: true })).toEqual(mask);
    const named = { vllm_importance_sampling_mode: 'token_truncate', vllm_importance_sampling_clip_max: 2 };
    expect(correctionOf(named)).toEqual({ kind: 'token', beyond: 'truncate', max: 2, min: null });
    const both = { ...named, vllm_importance_sampling_correction: true };
    expect(correctionOf(both)).toMatchObject({ kind: 'token', beyond: 'truncate' });
    expect(correctionOf({ ...both, vllm_importance_sampling_correction: false })).toEqual({ kind: 'none' });
  });

  test("is refused where π_old is the behaviour policy's", () => {
    expect(problemsOf({ objective: { oldPolicy: 'behaviour', correction: 'token' } })).toEqual([
      'objective.correction.kind',
    ]);
  });
});

test("scale_rewards is TRL's standard deviation, of the group or of the batch, or none", () => {
  const advantageOf = (scale_rewards: unknown) => parseConfig({ ...base, scale_rewards } as ConfigInput).advantage;
  expect(advantageOf('group')).toMatchObject({ baseline: 'std', stdOver: 'group', std: 'sample', epsilon: 1e-4 });
  expect(advantageOf('batch')).toMatchObject({ baseline: 'std', stdOver: 'batch', std: 'sample' });
  expect(advantageOf('none')).toMatchObject({ baseline: 'mean' });
});

describe("TRL's batches", () => {
  const cutOf = (input: Record<string, unknown>) => {
    const { startsPerBatch, objective } = parseConfig({ ...base, ...input });
    return [startsPerBatch, objective.miniBatches, objective.localRollouts, objective.miniBatchOrder];
  };

  test('count rollouts', () => {
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

  test('that are no whole groups or steps, or are set twice, are refused', () => {
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

  test('options that transformers would ignore silently are refused', () => {
    expect(problemsOf({ lr_scheduler_type: 'constant', warmup_steps: 3 })).toEqual(['lr_scheduler_type']);
    expect(problemsOf({ lr_scheduler_type: 'polynomial' })).toEqual(['lr_scheduler_type']);
    expect(problemsOf({ optimizer: { warmupUpdates: 3, warmupRatio: 0.1 } })).toEqual(['optimizer.warmupRatio']);
  });
});

test('more optimizer steps than rollouts are a problem', () => {
  expect(problemsOf({ startsPerBatch: 2, groupSize: 2, objective: { miniBatches: 5 } })).toEqual([
    'objective.miniBatches',
  ]);
});
