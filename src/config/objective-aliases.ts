/** Translates TRL's names of the objective and of the batch sizes (trl 1.16, grpo_config.py). */
import type { ConfigProblem } from '../errors.js';
import { type Alias, choice, type Translation } from './alias.js';
import { isPlainObject, type Layer, removePath, setPath } from './layer.js';

/** A `loss_type` names a loss and a normalisation. `gspo` is the common name of its pair; TRL has no such type. */
const lossTypes: Readonly<Record<string, { loss: string; normalisation: string; importanceRatio?: string }>> = {
  grpo: { loss: 'clip', normalisation: 'sequence-mean' },
  bnpo: { loss: 'clip', normalisation: 'local-token-mean' },
  dr_grpo: { loss: 'clip', normalisation: 'constant' },
  dapo: { loss: 'clip', normalisation: 'token-mean' },
  cispo: { loss: 'cispo', normalisation: 'token-mean' },
  sapo: { loss: 'sapo', normalisation: 'sequence-mean' },
  vespo: { loss: 'vespo', normalisation: 'token-mean' },
  luspo: { loss: 'clip', normalisation: 'sequence-sum' },
  gspo: { loss: 'clip', normalisation: 'sequence-mean', importanceRatio: 'sequence' },
};

const column = (key: 'loss' | 'normalisation'): Record<string, unknown> =>
  Object.fromEntries(Object.entries(lossTypes).map(([name, row]) => [name, row[key]]));

/** TRL's mode names the level of the ratio, and whether a ratio beyond its bounds is truncated or masked. */
const correctionLevels = choice({
  token_truncate: 'token',
  token_mask: 'token',
  sequence_truncate: 'sequence',
  sequence_mask: 'sequence',
});

/** Translates the mode; the switch set to false overrides it. */
const correctionMode: Translation = (value, layer) =>
  layer.vllm_importance_sampling_correction === false ? { value: 'none' } : correctionLevels(value, layer);

const impliesBeyond = (mode: unknown): Record<string, unknown> => ({
  'objective.correction.beyond': String(mode).endsWith('mask') ? 'mask' : 'truncate',
});

/** Translates the switch: true selects the mode that is set, by default TRL's. */
const correctionSwitch: Translation = (value, layer) => {
  if (value === false) return { value: 'none' };
  if (value === true) return correctionLevels(layer.vllm_importance_sampling_mode ?? 'sequence_mask', layer);
  return { problem: 'must be true or false' };
};

const schedules = choice({
  constant: 'constant',
  constant_with_warmup: 'constant',
  linear: 'linear',
  cosine: 'cosine',
  cosine_with_min_lr: 'cosine',
});

/** Refuses `constant` with a warm-up, which transformers silently ignores. */
const schedule: Translation = (value, layer) => {
  const warmsUp = Number(layer.warmup_steps ?? 0) > 0 || Number(layer.warmup_ratio ?? 0) > 0;
  if (value === 'constant' && warmsUp) return { problem: 'has no warm-up; use constant_with_warmup' };
  return schedules(value, layer);
};

/** Translates `min_lr`, a rate, or `min_lr_rate`, a share of the learning rate. */
const finalShare: Translation = (value, layer) => {
  const problem = 'needs min_lr or min_lr_rate; min_lr needs learning_rate as well';
  if (!isPlainObject(value)) return { problem };
  const { min_lr: rate, min_lr_rate: share, ...others } = value;
  const peak = layer.learning_rate ?? (isPlainObject(layer.optimizer) ? layer.optimizer.learningRate : undefined);
  if (Object.keys(others).length > 0 || (rate === undefined) === (share === undefined)) return { problem };
  if (share !== undefined) return { value: share };
  return typeof rate === 'number' && typeof peak === 'number' ? { value: rate / peak } : { problem };
};

// transformers counts optimizer steps from 0; its names keep its numbers.
const asTransformers = () => ({ 'optimizer.countFrom': 'zero' });

export const objectiveAliases: Readonly<Record<string, Alias>> = {
  loss_type: {
    to: 'objective.loss.kind',
    translate: choice(column('loss')),
    implies: (value) => ({
      'objective.normalisation.kind': lossTypes[String(value)]?.normalisation,
      'objective.importanceRatio': lossTypes[String(value)]?.importanceRatio,
    }),
  },
  use_adaptive_entropy: {
    to: 'objective.entropy.control.kind',
    translate: choice({ true: 'adaptive', false: 'constant' }),
  },
  // The switch precedes the mode: it may read the mode, which then sets the same value again.
  vllm_importance_sampling_correction: { to: 'objective.correction.kind', translate: correctionSwitch },
  vllm_importance_sampling_mode: {
    to: 'objective.correction.kind',
    translate: correctionMode,
    implies: (value, layer) => (layer.vllm_importance_sampling_correction === false ? {} : impliesBeyond(value)),
  },
  // TRL's older name; its null does not remove the bound.
  vllm_importance_sampling_cap: { to: 'objective.correction.max' },
  multi_objective_aggregation: {
    to: 'advantage.aggregation',
    translate: choice({ sum_then_normalize: 'sum-then-normalise', normalize_then_sum: 'normalise-then-sum' }),
    // TRL's deviation, as `scale_rewards` implies it.
    implies: (value) => ({ 'advantage.std': value === 'normalize_then_sum' ? 'sample' : undefined }),
  },
  scale_rewards: {
    to: 'advantage.baseline',
    translate: choice({ group: 'std', batch: 'std', true: 'std', none: 'mean', false: 'mean' }),
    implies: (value) => ({ 'advantage.stdOver': value === 'batch' ? 'batch' : 'group', 'advantage.std': 'sample' }),
  },
  warmup_steps: {
    to: 'optimizer.warmupUpdates',
    // Below 1 it is a share, as in transformers 5.
    translate: (value) => ({ value: typeof value === 'number' && value > 0 && value < 1 ? undefined : value }),
    implies: (value) => ({
      ...asTransformers(),
      'optimizer.warmupRatio': typeof value === 'number' && value > 0 && value < 1 ? value : undefined,
    }),
  },
  warmup_ratio: { to: 'optimizer.warmupRatio', implies: asTransformers },
  lr_scheduler_type: { to: 'optimizer.schedule', translate: schedule, implies: asTransformers },
  lr_scheduler_kwargs: { to: 'optimizer.finalShare', translate: finalShare },
};

export const batchAliases = [
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'steps_per_generation',
  'generation_batch_size',
] as const;

/**
 * Rewrites TRL's batch sizes, which count rollouts: a generation batch holds `per_device_train_batch_size` ·
 * `steps_per_generation` of them, and an optimizer step takes `gradient_accumulation_steps` of its parts. Here a batch holds
 * `startsPerBatch` groups, an update takes it in `miniBatches` optimizer steps, and `microbatchTokens` bounds the memory.
 */
export function translateBatchSizes(layer: Layer, problems: ConfigProblem[]): void {
  const given = new Map(batchAliases.map((name) => [name, removePath(layer, name)]));
  const named = batchAliases.filter((name) => (given.get(name) ?? undefined) !== undefined);
  const [key] = named;
  if (key === undefined) return;
  const wrong = named.filter((name) => !Number.isInteger(given.get(name)) || Number(given.get(name)) < 1);
  if (wrong.length > 0) {
    problems.push(...wrong.map((name) => ({ key: name, message: 'must be a whole number of at least 1' })));
    return;
  }
  const number = (name: (typeof batchAliases)[number], otherwise: number): number =>
    Number(given.get(name) ?? otherwise);
  // 8 rollouts a part and 8 a group are TRL's defaults.
  const part = number('per_device_train_batch_size', 8);
  const accumulated = number('gradient_accumulation_steps', 1);
  const rollouts = number('generation_batch_size', part * number('steps_per_generation', accumulated));
  const steps = number('steps_per_generation', rollouts / part);
  const size = Number(layer.num_generations ?? layer.rollouts_per_example ?? layer.groupSize ?? 8);
  const cut = { startsPerBatch: rollouts / size, 'objective.miniBatches': steps / accumulated };
  if (rollouts !== part * steps || !Object.values(cut).every(Number.isInteger)) {
    const message = `${rollouts} rollouts a batch in parts of ${part}, ${accumulated} a step: they must be whole groups of ${size} and whole optimizer steps`;
    problems.push({ key, message });
    return;
  }
  for (const [path, value] of Object.entries({ ...cut, 'objective.localRollouts': part })) {
    if (!setPath(layer, path, value)) {
      problems.push({ key, message: `sets ${path}, which is set as well`, hint: 'keep one' });
    }
  }
  // TRL deals rollouts to its steps at random.
  if (cut['objective.miniBatches'] > 1) setPath(layer, 'objective.miniBatchOrder', 'shuffled');
}
