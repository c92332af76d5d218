/** Every value of a higher layer overrides the lower ones, by whatever name: a property over all names of all keys. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aliases } from '../../src/config/aliases.js';
import { isPlainObject, readPath } from '../../src/config/layer.js';
import { batchAliases } from '../../src/config/objective-aliases.js';
import { takesAt } from '../../src/config/option-types.js';
import { parseLayers } from '../../src/config/parse.js';
import { schemaRows } from '../../src/config/rows.js';
import { switches } from '../../src/config/run-aliases.js';
import { refusedNames } from '../../src/config/trl-options.js';
import { ConfigError } from '../../src/errors.js';

type Settings = Readonly<Record<string, unknown>>;

const base: Settings = {
  model: 'm',
  data: { train: 'a.jsonl', test: 'b.jsonl' },
  rewards: ['a.ts'],
  verifier: { file: 'v.ts' },
  groupSize: 8,
};

/** Settings without which some keys are refused: a key of a kind needs its kind. */
const settings: readonly Settings[] = [
  {},
  { objective: { loss: 'sapo', correction: 'token', normalisation: 'constant', entropy: { control: 'adaptive' } } },
  { objective: { loss: 'vespo', kl: { beta: 0.1 } }, evaluation: { every: 5 }, best: { metric: 'eval_reward' } },
  { diversity: { embedder: { model: 'e' } }, buffer: { minimumFill: 1 } },
];

/** The config of some layers; undefined where they are refused. */
function parsed(...layers: readonly Settings[]): Settings | undefined {
  try {
    return parseLayers([base, ...layers]);
  } catch (error) {
    if (ConfigError.isInstance(error)) return undefined;
    throw error;
  }
}

const nested = (path: string, value: unknown): Settings =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Settings;

const texts = [
  'some-text',
  'q_proj',
  'cpu',
  'cuda:1',
  '2024-07-26',
  'no',
  'steps',
  'none',
  'tensorboard',
  'grpo',
  'sapo',
];
const words = [
  ...texts,
  'token_mask',
  'sequence_truncate',
  'group',
  'batch',
  'constant',
  'linear',
  'bfloat16',
  'float32',
];
const further = ['sum_then_normalize', 'normalize_then_sum', 'think_format_reward', 'b.ts', 'best', 'auto'];
const objects = [{}, { q_proj: 2 }, { enable_thinking: false }, { min_lr_rate: 0.1 }, { id: 'prompts' }];
const lists = [[], ['q_proj'], ['b.ts', 'c.ts'], [1], [0.5], [3, 4], ['none']];

/** Values to try: those of the key's own types first. */
function candidates(name: string): readonly unknown[] {
  const { choices = [], number, flag } = takesAt(name) ?? {};
  const numbers = number ? [2, 0.1, 1, 0, 0.9, 8, 64, -1] : [];
  return [...choices, ...numbers, ...(flag ? [true, false] : []), null, ...words, ...further, ...lists, ...objects];
}

/** Sections are tried key by key. */
const isSection = (path: string): boolean =>
  schemaRows().rows.some((row) => row.path.startsWith(`${path}.`)) && path !== 'lora' && path !== 'diversity.embedder';
const ownPaths = [...new Set(schemaRows().rows.map(({ path }) => path))].filter(
  // The base config has a reward function, and keys that a run cannot be without.
  (path) => !/^(rewards($|\.)|recipe$|model$|task$|data\.train$)/.test(path) && !isSection(path),
);
const names = [...ownPaths, ...Object.keys(aliases()), ...Object.keys(switches), ...batchAliases];

interface Tried {
  readonly setting: Settings;
  readonly values: readonly unknown[];
}

/** Up to four of the candidates that a key takes in a setting. */
function accepted(name: string, setting: Settings): readonly unknown[] {
  const found: unknown[] = [];
  for (const value of candidates(name)) {
    if (parsed(setting, nested(name, value))) found.push(value);
    if (found.length === 4) break;
  }
  return found;
}

/** The first setting in which a key takes several of the candidates, with these. */
function tryName(name: string): Tried {
  let best: Tried = { setting: {}, values: [] };
  for (const setting of settings) {
    const values = accepted(name, setting);
    if (values.length > best.values.length) best = { setting, values };
    if (values.length > 2) break;
  }
  return best;
}

const tried = new Map(names.map((name) => [name, tryName(name)] as const));
const several = names.filter((name) => (tried.get(name)?.values.length ?? 0) > 1);

test('every name is tried with two values or more', () => {
  expect(names.length).toBeGreaterThan(200);
  expect(names.filter((name) => !several.includes(name))).toEqual([]);
});

describe('a value of a higher layer', () => {
  test.each(several)('%s: gives what it gives alone', (name) => {
    const { setting, values } = tried.get(name) as Tried;
    for (const low of values) {
      for (const high of values) {
        // An object adds its keys to those of a lower one.
        if (takesAt(name)?.object && typeof high === 'object' && high !== null) continue;
        const config = parsed(setting, nested(name, low), nested(name, high));
        expect({ name, low, high, config }).toEqual({ name, low, high, config: parsed(setting, nested(name, high)) });
      }
    }
  });

  const option = fc.constantFrom(...several).chain((name) => {
    return fc.tuple(fc.constant(name), fc.constantFrom(...(tried.get(name)?.values ?? [])));
  });

  test('by whatever name, and beside any other value of a lower layer', () => {
    // The defaults of a section stand where the section does.
    const defaults = [...settings, { lora: {} }].map((setting) => parsed(setting) as Settings);
    const check = (low: Settings, high: Settings): void => {
      const [alone, both] = [parsed(high), parsed(low, high)];
      if (alone === undefined || both === undefined) return;
      for (const path of ownPaths) {
        const value = readPath(alone, path);
        const isDefault = defaults.some((one) => JSON.stringify(value) === JSON.stringify(readPath(one, path)));
        if (isDefault || isPlainObject(value) || followers.has(path)) continue;
        expect({ low, high, path, value: readPath(both, path) }).toEqual({ low, high, path, value });
      }
    };
    const run = ([lower, low]: [string, unknown], [upper, high]: [string, unknown]): void => {
      if (!countTogether.some((group) => group.includes(lower) && group.includes(upper))) {
        check(nested(lower, low), nested(upper, high));
      }
    };
    fc.assert(fc.property(option, option, run), { numRuns: 2000 });
  }, 60_000);
});

/** Names of which one alone has another meaning than beside the others; the tests of "settings that count together" hold them. */
const countTogether: readonly (readonly string[])[] = [
  [...batchAliases, 'batch_size', 'groupSize', 'num_generations', 'rollouts_per_example'],
  ['vllm_importance_sampling_correction', 'vllm_importance_sampling_mode'],
  ['log_completions', 'logCompletions', 'num_completions_to_print'],
  ['eval_strategy', 'evaluation.every', 'eval_steps', 'eval.interval', 'logEvery', 'logging_steps'],
  ['load_best_model_at_end', 'best.metric', 'metric_for_best_model'],
];

/** Keys whose value follows from two others, which may stand in two layers. */
const followers = new Set<string>([
  'maximumDraws',
  'evaluation.generations',
  'evaluation.measure',
  'objective.loss.high',
  'objective.normalisation.length',
]);

describe('an "off" undoes a lower layer', () => {
  const own = (...layers: readonly Settings[]) => parseLayers([base, ...layers]);

  test.each([
    ['use_peft', { use_peft: true, lora_r: 8 }, 'lora', undefined],
    ['use_peft', { lora: { rank: 8 } }, 'lora', undefined],
    ['log_completions', { logCompletions: 9 }, 'logCompletions', 0],
    ['log_completions', { num_completions_to_print: 9 }, 'logCompletions', 0],
    ['use_cpu', { device: 'cpu' }, 'device', 'auto'],
    ['use_cpu', { use_cpu: true }, 'device', 'auto'],
    ['use_cpu', { device: 'cuda:1' }, 'device', 'cuda:1'],
    ['load_best_model_at_end', { load_best_model_at_end: true, evaluation: { every: 2 } }, 'best.metric', undefined],
    ['sync_ref_model', { sync_ref_model: true, ref_model_sync_steps: 7 }, 'reference.blendEvery', 0],
    ['bf16', { bf16: true }, 'dtype', 'float32'],
    ['shuffle_dataset', { taskOrder: 'shuffled' }, 'taskOrder', 'sequential'],
    ['eval_strategy', { eval_strategy: 'steps', eval_steps: 4 }, 'evaluation.every', 0],
    ['save_strategy', { save_steps: 4 }, 'checkpoint.every', 0],
    [
      'use_adaptive_entropy',
      { use_adaptive_entropy: true, entropy_target: 3 },
      'objective.entropy.control.kind',
      'constant',
    ],
    [
      'vllm_importance_sampling_correction',
      { objective: { correction: 'token' } },
      'objective.correction.kind',
      'none',
    ],
    ['scale_rewards', { scale_rewards: 'batch' }, 'advantage.baseline', 'mean'],
  ] as const)('%s: false over %j', (name, lower, path, value) => {
    expect(readPath(own(lower, { [name]: false }), path)).toEqual(value);
  });

  test('and null chooses the default again', () => {
    expect(own({ objective: { loss: { high: 0.3 } } }, { epsilon_high: null }).objective.loss).toMatchObject({
      high: 0.2,
    });
    expect(own({ lora: { rank: 8 } }, { lora: null }).lora).toBeUndefined();
    expect(own({ chat: { template: 'x' } }, { chat: { template: null } }).chat.template).toBeUndefined();
    expect(own({ generation_kwargs: { stop: ['a'] } }, { generation_kwargs: null }).sampling.stop).toEqual([]);
    expect(own({ loss_type: 'sapo' }, { loss_type: null }).objective.loss.kind).toBe('clip');
    expect(own({ objective: { loss: 'sapo' } }, { loss_type: null }).objective.loss.kind).toBe('clip');
  });

  test('a refused option of a lower layer counts no longer', () => {
    for (const name of refusedNames.filter((one) => one.startsWith('use_'))) {
      expect(own({ [name]: 'wrong' }, { [name]: null }).groupSize).toBe(8);
    }
  });
});

describe('settings that count together', () => {
  const own = (...layers: readonly Settings[]) => parseLayers([base, ...layers]);

  test('batch sizes and the size of a group may stand in two layers', () => {
    const file = { num_generations: 16, per_device_train_batch_size: 8, gradient_accumulation_steps: 4 };
    expect(own(file)).toMatchObject({ groupSize: 16, startsPerBatch: 2 });
    expect(own(file, { gradient_accumulation_steps: 8 })).toMatchObject({ groupSize: 16, startsPerBatch: 4 });
    expect(own(file, { groupSize: 8 })).toMatchObject({ groupSize: 8, startsPerBatch: 4 });
    expect(own(file, { startsPerBatch: 3 })).toMatchObject({ startsPerBatch: 3, objective: { localRollouts: 8 } });
  });

  test('passes over updates, a warm-up over another, held-out rows over another choice of them', () => {
    expect(own({ updates: 100 }, { num_train_epochs: 2 })).toMatchObject({ updates: 0, passes: 2 });
    expect(own({ max_steps: 100 }, { max_steps: -1, passes: 2 })).toMatchObject({ updates: 0, passes: 2 });
    expect(own({ warmup_ratio: 0.1 }, { warmup_steps: 3 }).optimizer).toMatchObject({
      warmupUpdates: 3,
      warmupRatio: 0,
    });
    expect(own({ warmup_steps: 3 }, { optimizer: { warmupRatio: 0.1 } }).optimizer).toMatchObject({ warmupUpdates: 0 });
    expect(own({ data: { testShare: 0.1 } }).data).toMatchObject({ testShare: 0.1 });
    expect(own({ data: { testShare: 0.1 } }).data?.test).toBeUndefined();
  });

  test('the rate of min_lr is a share of the highest learning rate', () => {
    const file = {
      learning_rate: 1e-5,
      lr_scheduler_type: 'cosine_with_min_lr',
      lr_scheduler_kwargs: { min_lr: 1e-6 },
    };
    expect(own(file).optimizer.finalShare).toBeCloseTo(0.1);
    expect(own(file, { optimizer: { learningRate: 1e-4 } }).optimizer.finalShare).toBeCloseTo(0.01);
  });

  test('a switch that is on keeps the value that another name sets', () => {
    const logged = (...layers: readonly Settings[]) => own(...layers).logCompletions;
    expect(logged({ log_completions: true })).toBe(4);
    expect(logged({ num_completions_to_print: 9 }, { log_completions: true })).toBe(9);
    expect(logged({ log_completions: false }, { log_completions: true })).toBe(4);
    const every = (...layers: readonly Settings[]) => own(...layers).evaluation.every;
    expect(every({ eval_strategy: 'steps' })).toBe(10);
    expect(every({ eval_strategy: 'steps', logging_steps: 3 })).toBe(3);
    expect(every({ eval_strategy: 'no', eval_steps: 7 })).toBe(0);
    expect(every({ eval_strategy: 'no', eval_steps: 7 }, { eval_strategy: 'steps' })).toBe(7);
    const mode = { vllm_importance_sampling_mode: 'token_mask' };
    const kind = (...layers: readonly Settings[]) => own(...layers).objective.correction.kind;
    expect(kind({ vllm_importance_sampling_correction: false }, mode)).toBe('none');
    expect(kind(mode, { vllm_importance_sampling_correction: false })).toBe('none');
    expect(
      kind({ ...mode, vllm_importance_sampling_correction: false }, { vllm_importance_sampling_correction: true }),
    ).toBe('token');
  });

  test('weights of rewards', () => {
    const weights = (...layers: readonly Settings[]) => own(...layers).rewards.map(({ weight }) => weight);
    expect(weights({ rewards: ['a.ts', 'b.ts'] }, { reward_weights: [1, 2] })).toEqual([1, 2]);
    expect(weights({ reward_weights: [1, 2] }, { rewards: ['a.ts', 'b.ts'] })).toEqual([1, 2]);
    expect(weights({ rewards: ['a.ts', 'b.ts'], reward_weights: [1, 2] }, { rewards: ['c.ts'] })).toEqual([1]);
  });

  test('a key of another kind than the lower layer chose is refused, not lost', () => {
    expect(() => own({ loss_type: 'sapo' }, { epsilon: 0.3 })).toThrow(/loss\.low: belongs to the kind .* \[epsilon\]/);
    expect(own({ epsilon: 0.3 }, { loss_type: 'sapo' }).objective.loss.kind).toBe('sapo');
  });
});
