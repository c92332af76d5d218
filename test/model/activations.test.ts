/** Every activation of the MLP has the same gradient on our kernels as by libtorch's autograd. */
import { describe, expect, test } from 'vitest';
import { supervisedObjective } from '../../src/policy/settings.js';
import { backends, largestGap, onPolicySettings, openPolicy, toTokenBatch } from '../golden/support.js';
import { changeJson, copyModel } from '../support/model-folder.js';

const names = ['silu', 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh', 'quick_gelu', 'relu'];
const batch = toTokenBatch([
  { prompt: [1, 20, 33], completion: [7, 41, 5, 60, 2] },
  { prompt: [1, 20, 33], completion: [90, 8, 2] },
]);

describe.each(names)('%s', (name) => {
  test('an update gives the same gradient and the same weights', async () => {
    const folder = copyModel('llama-tied');
    changeJson(folder, 'config.json', { hidden_act: name });
    const [kernels, torch] = await Promise.all(
      backends.map(async (backend) => {
        const policy = await openPolicy(folder, { backend });
        const metrics = await policy.update(batch, { ...onPolicySettings, objective: supervisedObjective });
        const logprobs = await policy.logprobs(batch);
        return { norm: metrics.grad_norm ?? Number.NaN, logprobs: logprobs.flatMap((row) => [...row]) };
      }),
    );
    expect(kernels?.norm).toBeCloseTo(torch?.norm ?? 0, 3);
    expect(kernels?.norm).toBeGreaterThan(0.1);
    expect(largestGap(kernels?.logprobs ?? [], torch?.logprobs ?? [])).toBeLessThan(1e-4);
  });
});

test('the activations differ', async () => {
  const sums = await Promise.all(
    ['silu', 'gelu', 'gelu_new', 'quick_gelu', 'relu'].map(async (name) => {
      const folder = copyModel('llama-tied');
      changeJson(folder, 'config.json', { hidden_act: name });
      const [row] = await (await openPolicy(folder)).logprobs(batch);
      return row?.reduce((sum, logprob) => sum + logprob, 0);
    }),
  );
  expect(new Set(sums).size).toBe(5);
});
