/** The policy's hidden states as vectors: which states they are, and the same on both backends. */
import { afterAll, describe, expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import type { StatePooling } from '../../src/policy/policy.js';
import { largestGap, modelFolder } from '../golden/support.js';

const open: LocalPolicy[] = [];

async function load(backend: 'kernels' | 'torch', name = 'qwen3'): Promise<LocalPolicy> {
  const policy = await LocalPolicy.load(modelFolder(name), { device: 'cpu', threads: 2, backend });
  open.push(policy);
  return policy;
}

afterAll(async () => {
  await Promise.all(open.map((policy) => policy.close()));
});

const prompts = [[5, 9, 11], [7]];
const answers = [[4], [4, 6], [4, 6, 8], [4, 6, 20], [30, 31, 32, 33, 34]];

/** One row an answer; the first four follow the first prompt, the last the second. */
async function states(policy: LocalPolicy, pooling: StatePooling): Promise<Float32Array[]> {
  const sequences = answers.map((tokens, at) => ({
    prompt: at < 4 ? 0 : 1,
    tokens: Int32Array.from(tokens),
    rollout: at,
    advantage: 0,
  }));
  const flat = await policy.states({ prompts: prompts.map((tokens) => Int32Array.from(tokens)), sequences }, pooling);
  const width = flat.length / answers.length;
  return answers.map((_, at) => flat.slice(at * width, (at + 1) * width));
}

const row = (rows: readonly Float32Array[], at: number): Float32Array => rows[at] ?? new Float32Array();

describe.each(['kernels', 'torch'] as const)('on %s', (backend) => {
  test('takes the state that the last token was drawn from, which does not see that token', async () => {
    const last = await states(await load(backend), 'lasttoken');
    expect(largestGap(row(last, 2), row(last, 3))).toBeLessThan(1e-6);
    expect(largestGap(row(last, 1), row(last, 2))).toBeGreaterThan(1e-2);
  });

  test('takes the mean of the states of all tokens', async () => {
    const policy = await load(backend);
    const [last, mean] = [await states(policy, 'lasttoken'), await states(policy, 'mean')];
    expect(largestGap(row(mean, 0), row(last, 0))).toBeLessThan(1e-6);
    const expected = row(last, 0).map((value, at) => (value + (row(last, 1)[at] ?? 0) + (row(last, 2)[at] ?? 0)) / 3);
    expect(largestGap(row(mean, 2), expected)).toBeLessThan(1e-5);
  });
});

test.each(['llama-tied', 'qwen2', 'qwen3'])('%s: gives equal states on our kernels and on libtorch', async (name) => {
  const [kernels, torch] = [await load('kernels', name), await load('torch', name)];
  for (const pooling of ['mean', 'lasttoken'] as const) {
    const [left, right] = [await states(kernels, pooling), await states(torch, pooling)];
    left.forEach((vector, at) => {
      expect(largestGap(vector, row(right, at))).toBeLessThan(1e-4);
    });
  }
});

test('refuses a token outside the vocabulary', async () => {
  const policy = await load('kernels');
  const sequences = [{ prompt: 0, tokens: Int32Array.from([1_000_000]), rollout: 0, advantage: 0 }];
  const asking = policy.states({ prompts: [Int32Array.from([5])], sequences }, 'mean');
  await expect(asking).rejects.toBeInstanceOf(InvalidRequestError);
});
