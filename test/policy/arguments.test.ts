/** Options and batches that are wrong: a typed error that names the key, never one of the border. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalEmbedder } from '../../src/embedder/local-embedder.js';
import { InvalidRequestError } from '../../src/errors.js';
import { fetchModel } from '../../src/hub/fetch.js';
import { mergeAdapter } from '../../src/policy/adapters.js';
import { estimateMemory } from '../../src/policy/estimate-memory.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { missingEngine, tinyModel } from '../cli/support/cli.js';
import { onPolicySettings } from '../golden/support.js';

/** A call as JavaScript can make it. */
const untyped = (call: unknown): ((...values: unknown[]) => Promise<unknown>) => call as never;

const refusal = async (call: () => Promise<unknown>): Promise<InvalidRequestError> => {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidRequestError);
  return error as InvalidRequestError;
};

describe('an option that is unknown or of the wrong type', () => {
  test.each([
    [{ thread: 1 }, 'thread', 'did you mean `threads`?'],
    [{ reference: { blendEvery: 0 } }, 'reference', 'must be true or false, not an object'],
    [{ dtype: 'float16' }, 'dtype', "must be 'auto' or 'float32' or 'bfloat16', not the text 'float16'"],
    [{ threads: -1 }, 'threads', 'must be a whole number in [0, 2^32), not -1'],
    [{ lora: { r: 8, alpha: 16 } }, 'lora.r', 'did you mean `rank`?'],
    [{ lora: { rank: 8, alpha: 16, targetModules: 'all' } }, 'lora.targetModules', "must be 'all-linear' or a list"],
    [{ optimizer: { stateDtype: 8 } }, 'optimizer.stateDtype', 'not 8'],
  ])('of LocalPolicy.load and estimateMemory: %j', async (options, key, reason) => {
    for (const call of [LocalPolicy.load, estimateMemory]) {
      const { fields } = await refusal(() => untyped(call.bind(LocalPolicy))(tinyModel, options));
      expect(fields).toMatchObject({ key, reason: expect.stringContaining(reason) });
    }
  });

  test('names all problems at once', async () => {
    const { message, fields } = await refusal(() => untyped(LocalPolicy.load)(tinyModel, { thread: 1, gpu: 0 }));
    expect(message).toBe(
      'LocalPolicy.load: 2 problems\n' +
        '  `thread`: unknown option; did you mean `threads`?\n' +
        '  `gpu`: unknown option; did you mean `device`?',
    );
    expect(fields.problems).toHaveLength(2);
  });

  test.each([
    ['a model that is absent', () => untyped(LocalPolicy.load)(), 'model'],
    ['a folder of an embedder', () => untyped(LocalEmbedder.load)(7), 'folder'],
    ['an option of an embedder', () => untyped(LocalEmbedder.load)('x', { cachesize: 1 }), 'cachesize'],
    ['a workload', () => untyped(estimateMemory)(tinyModel, {}, { group_size: 2 }), 'group_size'],
    ['a merge', () => untyped(mergeAdapter)({ model: 'a', adapter: 'b' }), 'out'],
    ['a fetch', () => untyped(fetchModel)({ name: 'a/b' }), 'revision'],
    [
      'an option of a fetch',
      () => untyped(fetchModel)({ name: 'a/b', revision: 'main' }, { includes: [] }),
      'includes',
    ],
  ])('of %s', async (_, call, key) => {
    expect((await refusal(call)).fields.key).toBe(key);
  });
});

describe.skipIf(missingEngine !== undefined)('a wrong argument of a loaded policy', () => {
  let policy: LocalPolicy;
  beforeAll(async () => {
    policy = await LocalPolicy.load(tinyModel, { device: 'cpu', threads: 1 });
  });
  afterAll(() => policy.close());

  const tokens = Int32Array.of(4, 5);
  const prompts = [Int32Array.of(1, 2)];
  const trained = { prompt: 0, tokens, rollout: 0, advantage: 1 };
  const ask = (name: keyof LocalPolicy, ...values: unknown[]): Promise<unknown> =>
    (policy[name] as (...values: unknown[]) => Promise<unknown>).apply(policy, values);

  test.each([
    ['logprobs', [{ prompts: [[1]], sequences: [] }], 'prompts[0]'],
    ['logprobs', [{ prompts, sequences: [{ prompt: 0, token: tokens, tokens }] }], 'sequences[0].token'],
    ['logprobs', [{ prompts, sequences: [{ prompt: 0, tokens }] }, 'hot'], 'temperature'],
    ['logprobs', [{ prompts, sequences: [{ prompt: 0, tokens }] }, -1], 'temperature'],
    ['states', [{ prompts, sequences: [{ prompt: 0, tokens }] }, 'max'], 'pooling'],
    ['update', [{ prompts, sequences: [{ prompt: 0, tokens }] }, onPolicySettings], 'sequences[0].rollout'],
    [
      'update',
      [
        { prompts, sequences: [trained] },
        { ...onPolicySettings, learningRat: 1 },
      ],
      'learningRat',
    ],
    [
      'evaluate',
      [
        { prompts, sequences: [trained] },
        { ...onPolicySettings, learningRate: '1' },
      ],
      'learningRate',
    ],
    ['save', [undefined], 'folder'],
    ['save', ['x', { maxShardByts: 1 }], 'maxShardByts'],
    ['snapshot', [{ copy: 'no' }], 'copy'],
    ['blendReference', ['half'], 'alpha'],
    ['loadTraining', [1], 'file'],
    ['encodePrompt', [[{ role: 'user', content: 5 }]], 'prompt[0].content'],
    ['renderMessages', ['x'], 'messages'],
  ] as const)('%s refuses %j', async (name, values, key) => {
    expect((await refusal(() => ask(name, ...values))).fields.key).toBe(key);
  });

  test('refuses an objective that lacks a field with the same class', async () => {
    const settings = { ...onPolicySettings, objective: { kind: 'grpo' } };
    await refusal(() => ask('update', { prompts, sequences: [trained] }, settings));
  });

  test('takes log-probabilities of sequences without rollout and advantage', async () => {
    const plain = await policy.logprobs({ prompts, sequences: [{ prompt: 0, tokens }] });
    expect(plain).toEqual(await policy.logprobs({ prompts, sequences: [trained] }));
  });
});
