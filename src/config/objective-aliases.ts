/** Translates TRL's names of the objective and of the batch sizes (trl 1.16, grpo_config.py). */
import type { ConfigProblem } from '../errors.js';
import { type Alias, choice, type Given, type Translation } from './alias.js';
import { isPlainObject, type Layer, setPath, Undo } from './layer.js';
import { takesFlag, takesNumber, takesObject, takesText } from './takes.js';

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

const isCorrectionOff = (given: Given): boolean => given.option('vllm_importance_sampling_correction') === false;

/** Translates the mode; the switch set to false overrides it. */
const correctionMode: Translation = (value, given) =>
  isCorrectionOff(given) ? { value: 'none' } : correctionLevels(value, given);

const impliesBeyond = (mode: unknown): Record<string, unknown> => ({
  'objective.correction.beyond': String(mode).endsWith('mask') ? 'mask' : 'truncate',
});

/** Translates the switch: true selects the mode that is set, by default TRL's. */
const correctionSwitch: Translation = (value, given) => {
  if (value === false) return { value: 'none' };
  if (value === true) return correctionLevels(given.option('vllm_importance_sampling_mode') ?? 'sequence_mask', given);
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
const schedule: Translation = (value, given) => {
  const warmsUp = Number(given.option('warmup_steps') ?? 0) > 0 || Number(given.option('warmup_ratio') ?? 0) > 0;
  if (value === 'constant' && warmsUp) return { problem: 'has no warm-up; use constant_with_warmup' };
  return schedules(value, given);
};

/** Translates `min_lr`, a rate, or `min_lr_rate`, a share of the learning rate. */
const finalShare: Translation = (value, given) => {
  const problem = 'needs min_lr or min_lr_rate; min_lr needs learning_rate as well';
  if (!isPlainObject(value)) return { problem };
  if (Object.keys(value).length === 0) return { value: new Undo() };
  const { min_lr: rate, min_lr_rate: share, ...others } = value;
  const peak = given.at('optimizer.learningRate');
  if (Object.keys(others).length > 0 || (rate === undefined) === (share === undefined)) return { problem };
  if (share !== undefined) return { value: share };
  return typeof rate === 'number' && typeof peak === 'number' ? { value: rate / peak } : { problem };
};

// transformers counts optimizer steps from 0; its names keep its numbers.
const asTransformers = () => ({ 'optimizer.countFrom': 'zero' });

export const objectiveAliases: Readonly<Record<string, Alias>> = {
  loss_type: {
    to: 'objective.loss.kind',
    takes: takesText,
    translate: choice(column('loss')),
    implies: (value) => ({
      'objective.normalisation.kind': lossTypes[String(value)]?.normalisation,
      'objective.importanceRatio': lossTypes[String(value)]?.importanceRatio,
    }),
  },
  use_adaptive_entropy: {
    to: 'objective.entropy.control.kind',
    takes: takesFlag,
    translate: choice({ true: 'adaptive', false: 'constant' }),
  },
  // The switch precedes the mode: it may read the mode, which then sets the same value again.
  vllm_importance_sampling_correction: {
    to: 'objective.correction.kind',
    takes: takesFlag,
    translate: correctionSwitch,
  },
  vllm_importance_sampling_mode: {
    to: 'objective.correction.kind',
    takes: takesText,
    translate: correctionMode,
    implies: (value, given) => (isCorrectionOff(given) ? {} : impliesBeyond(value)),
  },
  // TRL's older name; its null does not remove the bound.
  vllm_importance_sampling_cap: { to: 'objective.correction.max' },
  multi_objective_aggregation: {
    to: 'advantage.aggregation',
    takes: takesText,
    translate: choice({ sum_then_normalize: 'sum-then-normalise', normalize_then_sum: 'normalise-then-sum' }),
    // TRL's deviation, as `scale_rewards` implies it.
    implies: (value) => ({ 'advantage.std': value === 'normalize_then_sum' ? 'sample' : undefined }),
  },
  scale_rewards: {
    to: 'advantage.baseline',
    takes: takesText,
    translate: choice({ group: 'std', batch: 'std', true: 'std', none: 'mean', false: 'mean' }),
    implies: (value) => ({ 'advantage.stdOver': value === 'batch' ? 'batch' : 'group', 'advantage.std': 'sample' }),
  },
  warmup_steps: {
    to: 'optimizer.warmupUpdates',
    takes: takesNumber,
    // Below 1 it is a share, as in transformers 5.
    translate: (value) => ({ value: typeof value === 'number' && value > 0 && value < 1 ? new Undo() : value }),
    implies: (value) => ({
      ...asTransformers(),
      'optimizer.warmupRatio': typeof value === 'number' && value > 0 && value < 1 ? value : undefined,
    }),
  },
  warmup_ratio: { to: 'optimizer.warmupRatio', implies: asTransformers },
  lr_scheduler_type: { to: 'optimizer.schedule', takes: takesText, translate: schedule, implies: asTransformers },
  lr_scheduler_kwargs: { to: 'optimizer.finalShare', takes: takesObject, translate: finalShare },
};

export const batchAliases = [
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'steps_per_generation',
  'generation_batch_size',
] as const;

/** Reads the batch sizes that are given; undefined where one is wrong. */
function readSizes(given: Given, problems: ConfigProblem[]): ReadonlyMap<string, number> | undefined {
  const sizes = batchAliases
    .map((name) => [name, given.option(name)] as const)
    .filter(([, value]) => (value ?? undefined) !== undefined);
  const wrong = sizes.filter(([, value]) => !Number.isInteger(value) || Number(value) < 1);
  problems.push(...wrong.map(([key]) => ({ key, message: 'must be a whole number of at least 1' })));
  return wrong.length > 0 ? undefined : new Map(sizes.map(([name, value]) => [name, Number(value)]));
}

/**
 * Rewrites TRL's batch sizes, which count rollouts: a generation batch holds `per_device_train_batch_size` ·
 * `steps_per_generation` of them, and an optimizer step takes `gradient_accumulation_steps` of its parts. Here a batch holds
 * `startsPerBatch` groups, an update takes it in `miniBatches` optimizer steps, and `microbatchTokens` bounds the memory.
 */
export function translateBatchSizes(layer: Layer, given: Given, problems: ConfigProblem[]): void {
  const sizes = readSizes(given, problems);
  const [key] = sizes?.keys() ?? [];
  if (sizes === undefined || key === undefined) return;
  const number = (name: (typeof batchAliases)[number], otherwise: number): number => sizes.get(name) ?? otherwise;
  // 8 rollouts a part and 8 a group are TRL's defaults.
  const part = number('per_device_train_batch_size', 8);
  const accumulated = number('gradient_accumulation_steps', 1);
  const rollouts = number('generation_batch_size', part * number('steps_per_generation', accumulated));
  const steps = number('steps_per_generation', rollouts / part);
  const size = Number(given.at('groupSize') ?? 8);
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
