import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { parseConfig, parseLayers } from '../../src/config/parse.js';
import { knownKeys } from '../../src/config/problems.js';
import { ConfigError } from '../../src/errors.js';
import { editDistance, nearest } from '../../src/nearest.js';

const base = { task: 'code-breaker', model: 'models/tiny' };

function problemsOf(input: Record<string, unknown>): ConfigError {
  try {
    parseConfig(input);
  } catch (error) {
    if (ConfigError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('the config was accepted');
}

describe('defaults', () => {
  test('cover every key but task and model', () => {
    const config = parseConfig(base);
    expect(config.method).toBe('exit');
    expect(config.sampling.temperature).toBe(1);
    expect(config.objective).toMatchObject({
      loss: { kind: 'clip', low: 0.2, high: 0.2, delta: null, dual: null },
      kl: { beta: 0 },
      batchEpochs: 1,
    });
  });

  test('that depend on another key follow it', () => {
    const objective = { loss: { kind: 'clip', low: 0.1 }, normalisation: 'constant' } as const;
    const config = parseConfig({ ...base, sampling: { maxNewTokens: 7 }, objective });
    expect(config.objective.normalisation).toEqual({ kind: 'constant', length: 7 });
    expect(config.objective.loss).toMatchObject({ low: 0.1, high: 0.1 });
  });

  test('a complete config parses to itself', () => {
    const config = parseConfig(base);
    expect(parseConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });
});

describe('problems', () => {
  test('three mistakes are reported together, each with its key', () => {
    const error = problemsOf({ ...base, groupSiz: 8, method: 'exitt', optimizer: { learningRate: -1 } });
    expect(error.problems.map((problem) => problem.key).sort()).toEqual([
      'groupSiz',
      'method',
      'optimizer.learningRate',
    ]);
    expect(error.message).toContain('did you mean `groupSize`?');
    expect(error.message).toContain('did you mean `exit`?');
  });

  test('a broken rule between keys is reported beside a wrong key', () => {
    const error = problemsOf({ ...base, sed: 1, buffer: { capacity: 10, minimumFill: 20 } });
    expect(error.problems.map((problem) => problem.key).sort()).toEqual(['buffer.minimumFill', 'sed']);
  });

  test('required keys are named', () => {
    expect(
      problemsOf({})
        .problems.map((problem) => problem.key)
        .sort(),
    ).toEqual(['model', 'task']);
  });

  test.each([
    ['optimizer.learningrate', 'optimizer.learningRate'],
    ['maxNewTokens', 'sampling.maxNewTokens'],
    ['num_generation', 'num_generations'],
    ['buffer.kapacity', 'buffer.capacity'],
  ])('%s suggests %s', (written, meant) => {
    const [parent = '', child] = written.split('.');
    const error = problemsOf({ ...base, [parent]: child === undefined ? 3 : { [child]: 3 } });
    expect(error.problems).toEqual([{ key: written, message: 'unknown option', hint: `did you mean \`${meant}\`?` }]);
  });

  test('a key like no other gets no suggestion', () => {
    expect(problemsOf({ ...base, xyzzyplugh: 1 }).problems[0]?.hint).toBeUndefined();
  });

  test.each([
    ['seed', 1.5],
    ['seed', -1],
    ['groupSize', 0],
    ['updates', '12 apples'],
    ['replayProbability', 1.01],
    ['device', 'tpu'],
    ['reference', { alpha: Number.NaN }],
    ['checkpoint', { keep: 1 }],
    ['sampling', null],
    ['buffer', null],
    ['diversity', { ngram: null }],
    ['objective', []],
  ])('%s: %j is refused', (key, value) => {
    expect(problemsOf({ ...base, [key]: value }).problems[0]?.key.startsWith(key)).toBe(true);
  });
});

describe('aliases of TRL and prime-rl', () => {
  test('set our keys', () => {
    const config = parseConfig({
      ...base,
      num_generations: 4,
      max_completion_length: 33,
      learning_rate: 1e-5,
      epsilon: 0.1,
      epsilon_high: 0.28,
      num_iterations: 2,
      scale_rewards: false,
      mask_truncated_completions: false,
      ref_model_sync_steps: 64,
      ref_model_mixup_alpha: 0.6,
      beta: 0.01,
      loss_type: 'dr_grpo',
      max_steps: 9,
    });
    expect(config).toMatchObject({
      groupSize: 4,
      updates: 9,
      overlongFilter: false,
      sampling: { maxNewTokens: 33 },
      optimizer: { learningRate: 1e-5 },
      objective: {
        loss: { kind: 'clip', low: 0.1, high: 0.28 },
        kl: { beta: 0.01 },
        normalisation: { kind: 'constant', length: 33 },
        batchEpochs: 2,
      },
      advantage: { baseline: 'mean' },
      reference: { blendEvery: 64, alpha: 0.6 },
    });
  });

  test("prime-rl's batch_size counts rollouts", () => {
    const config = parseConfig({
      model: 'm',
      env: [{ id: 'reds' }],
      batch_size: 128,
      rollouts_per_example: 8,
      sampling: { max_tokens: 5 },
    } as ConfigInput);
    expect(config).toMatchObject({ task: 'reds', startsPerBatch: 16, groupSize: 8, sampling: { maxNewTokens: 5 } });
    expect(problemsOf({ ...base, batch_size: 10, rollouts_per_example: 8 }).problems[0]?.key).toBe('batch_size');
  });

  test('sync_ref_model: false never blends', () => {
    expect(parseConfig({ ...base, sync_ref_model: false }).reference.blendEvery).toBe(0);
    expect(parseConfig({ ...base, sync_ref_model: true }).reference.blendEvery).toBe(100);
  });

  test('an alias beside its own key is a conflict, and the problem of an unsupported value lists the choices', () => {
    const error = problemsOf({ ...base, groupSize: 4, num_generations: 8, scale_rewards: 'median' });
    expect(error.problems.map((problem) => problem.key).sort()).toEqual(['num_generations', 'scale_rewards']);
    expect(error.message).toContain('group');
  });

  test('an alias in an upper layer overrides our key in a lower one', () => {
    expect(parseLayers([{ ...base, updates: 100 }, { max_steps: 5 }]).updates).toBe(5);
  });
});

test('edit distance counts a swap as one', () => {
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('sede', 'seed')).toBe(1);
  expect(nearest('sede', ['updates', 'seed'])).toBe('seed');
});

test('known keys cover nested settings and aliases', () => {
  expect(knownKeys()).toEqual(
    expect.arrayContaining(['diversity.ngram.dimension', 'num_generations', 'sync_ref_model']),
  );
});

describe('data, rewards, evaluation and logging', () => {
  const own = { model: 'models/tiny', data: { train: 'rows.jsonl' }, rewards: ['rewards.ts', 'think_format_reward'] };

  test('a data file needs no task; rewards may be texts, or a single one', () => {
    const config = parseConfig(own);
    expect(config).toMatchObject({ task: 'prompts', data: { train: ['rows.jsonl'], promptColumn: 'prompt' } });
    expect(config.rewards).toMatchObject([
      { file: 'rewards.ts', name: 'rewards', weight: 1, isolated: true },
      { builtIn: 'think_format_reward', name: 'think_format_reward' },
    ]);
    expect(parseConfig({ ...own, rewards: 'rewards.ts' }).rewards).toHaveLength(1);
    const named = parseConfig({ ...own, rewards: ['a.ts#accuracy', 'b#1.mjs#$_ü', 'c#d.ts'] }).rewards;
    expect(named.map(({ file, export: name }) => [file, name])).toEqual([
      ['a.ts', 'accuracy'],
      ['b#1.mjs', '$_ü'],
      ['c#d.ts', undefined],
    ]);
    expect(parseConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test.each([
    [{ ...own, rewards: [] }, 'rewards'],
    [{ ...own, task: 'code-breaker' }, 'task'],
    [{ ...own, task: 'prompts', data: undefined }, 'data'],
    [{ ...own, rewards: [{ builtIn: 'quality' }] }, 'rewards'],
    [{ ...own, rewards: [{ file: 'a.ts', builtIn: 'exact_match' }] }, 'rewards.0.file'],
    [{ ...own, rewards: [{ builtIn: 'format_regex', pattern: '(' }] }, 'rewards.0.pattern'],
    [{ ...own, rewards: [{ builtIn: 'soft_overlong_punishment_reward' }] }, 'rewards.0.overlongBuffer'],
    [{ ...own, rewards: ['a.ts', 'b/a.ts'] }, 'rewards.1.name'],
    [{ ...own, evaluation: { every: 5 } }, 'data.test'],
    [{ ...own, data: { train: 'a.jsonl', test: 'b.jsonl', testShare: 0.1 } }, 'data.testShare'],
    [{ ...base, verifier: { file: 'v.ts' } }, 'verifier'],
    [{ ...base, best: { metric: 'eval_reward' } }, 'evaluation.every'],
    [{ ...base, best: { patience: 3 } }, 'best.metric'],
    [{ ...base, updates: 0 }, 'updates'],
    [{ ...base, dynamicSampling: 'skip', objective: { kl: { beta: 0.1 } } }, 'dynamicSampling'],
  ])('%j is a problem at %s', (input, key) => {
    expect(problemsOf(input).problems.map((problem) => problem.key)).toEqual([key]);
  });

  test('a mistyped key or name inside a list gets a suggestion', () => {
    const { problems } = problemsOf({ ...own, rewards: [{ file: 'a.ts', wieght: 2 }, 'think_format_rewrd'] });
    expect(problems).toMatchObject([
      { key: 'rewards.0.wieght', hint: 'did you mean `rewards.weight`?' },
      { key: 'rewards.1.builtIn', hint: 'did you mean `think_format_reward`?' },
    ]);
  });

  test("TRL's names and switches set our keys", () => {
    const config = parseConfig({
      ...own,
      data: { train: 'rows.jsonl', testShare: 0.1 },
      num_train_epochs: 2,
      run_name: 'first',
      logging_steps: 5,
      log_completions: true,
      shuffle_dataset: true,
      eval_strategy: 'steps',
      eval_steps: 10,
      eval_on_start: true,
      num_generations_eval: 2,
      save_strategy: 'best',
      load_best_model_at_end: true,
      early_stopping_patience: 3,
      reward_weights: [1, 0.5],
    });
    expect(config).toMatchObject({
      ...{ updates: 0, passes: 2, name: 'first', logEvery: 5, logCompletions: 4, taskOrder: 'shuffled' },
      evaluation: { every: 10, atStart: true, generations: 2 },
      checkpoint: { every: 0 },
      best: { metric: 'eval_reward', patience: 3 },
    });
    expect(config.rewards.map(({ weight }) => weight)).toEqual([1, 0.5]);
    expect(problemsOf({ ...own, reward_weights: [1] }).problems[0]?.key).toBe('reward_weights');
    expect(problemsOf({ ...own, eval_strategy: 'epoch' }).problems[0]?.key).toBe('eval_strategy');
  });
});

describe('stop texts', () => {
  const samplingOf = (input: Record<string, unknown>) => parseConfig({ ...base, ...input }).sampling;

  test('are a list, or one text', () => {
    expect(samplingOf({}).stop).toEqual([]);
    expect(samplingOf({ sampling: { stop: '\n\n' } }).stop).toEqual(['\n\n']);
    expect(samplingOf({ sampling: { stop: ['a', 'b'] } })).toMatchObject({ stop: ['a', 'b'], includeStopText: false });
    expect(problemsOf({ ...base, sampling: { stop: ['a', ''] } }).problems.map(({ key }) => key)).toEqual([
      'sampling.stop.1',
    ]);
  });

  test("accept vLLM's names and transformers', each with its own meaning", () => {
    const vllm = { stop: ['a'], include_stop_str_in_output: true, stop_token_ids: [3] };
    expect(samplingOf({ generation_kwargs: vllm })).toMatchObject({
      ...{ stop: ['a'], includeStopText: true, stopTokenIds: [3] },
    });
    expect(samplingOf({ generation_kwargs: { stop: ['a'] } })).toMatchObject({ stop: ['a'], includeStopText: false });
    const transformers = { stop_strings: ['a'] };
    expect(samplingOf({ generation_kwargs: transformers })).toMatchObject({ stop: ['a'], includeStopText: true });
    const { problems } = problemsOf({ ...base, generation_kwargs: { ...transformers, penalty_alpha: 1 } });
    expect(problems).toMatchObject([{ key: 'generation_kwargs', hint: expect.stringContaining('stop_strings') }]);
  });
});

describe('report_to', () => {
  const tensorboardOf = (report_to: unknown) => parseConfig({ ...base, report_to } as ConfigInput).tensorboard;

  test.each([
    ['tensorboard', true],
    ['none', false],
    [['tensorboard'], true],
    [[], false],
  ])('%j', (value, expected) => {
    expect(tensorboardOf(value)).toBe(expected);
  });

  test.each(['wandb', 'all', ['tensorboard', 'mlflow']])('%j is refused by name', (value) => {
    const error = problemsOf({ ...base, report_to: value });
    expect(error.problems).toMatchObject([{ key: 'report_to', message: expect.stringMatching(/wandb|all|mlflow/) }]);
  });

  test('is off by default', () => {
    expect(parseConfig(base).tensorboard).toBe(false);
  });
});
