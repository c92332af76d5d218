/** Sampling, training and a saved folder give the same log-probabilities. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { trainingFile } from '../../src/policy/policy.js';
import { rolloutBatch } from './rollout-batch.js';
import { largestGap, modelNames, onPolicySettings, openPolicy, readWeights, temporaryFolder } from './support.js';

describe.each(modelNames)('%s', (name) => {
  test.each([1, 0.7, 1.6])(
    'rollout log-probabilities equal the computed ones at temperature %d',
    async (temperature) => {
      const policy = await openPolicy(name);
      const batch = await rolloutBatch(policy, { seed: 8, update: 0, prompts: 6, groupSize: 5, temperature });
      const found = await policy.logprobs(batch, temperature);
      const gaps = batch.sequences.map(({ behaviourLogprobs: logprobs }, index) =>
        largestGap(found[index] as Float32Array, logprobs as Float32Array),
      );
      expect(Math.max(...gaps)).toBe(0);
    },
  );

  test('libtorch and our kernels agree on the log-probabilities of rollouts', async () => {
    const [kernels, torch] = [await openPolicy(name), await openPolicy(name, { backend: 'torch' })];
    const batch = await rolloutBatch(kernels, { seed: 8, update: 0, prompts: 6, groupSize: 5, temperature: 1 });
    const found = await torch.logprobs(batch, 1);
    const gaps = batch.sequences.map(({ behaviourLogprobs: logprobs }, index) =>
      largestGap(found[index] as Float32Array, logprobs as Float32Array),
    );
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1e-5);
  });

  test('an update reports that difference, and generation uses the new weights', async () => {
    const policy = await openPolicy(name);
    const before = await rolloutBatch(policy, { seed: 8, update: 0, prompts: 3, groupSize: 4 });
    const metrics = await policy.update(before, { ...onPolicySettings, learningRate: 0.01 });
    // Training runs the kernels that sampled, so the numbers are equal and not only close.
    expect(metrics['sampling/sampling_logp_difference/max']).toBe(0);

    const after = await rolloutBatch(policy, { seed: 8, update: 1, prompts: 3, groupSize: 4 });
    const found = await policy.logprobs(after, 1);
    const gaps = after.sequences.map(({ behaviourLogprobs: logprobs }, index) =>
      largestGap(found[index] as Float32Array, logprobs as Float32Array),
    );
    expect(Math.max(...gaps)).toBe(0);
  });

  test('a saved folder loads to identical log-probabilities, with the weights of the original under the same names', async () => {
    const policy = await openPolicy(name);
    const batch = await rolloutBatch(policy, { seed: 9, update: 0, prompts: 4, groupSize: 3 });
    await policy.update(batch, { ...onPolicySettings, learningRate: 0.01 });
    const folder = temporaryFolder();
    await policy.save(folder);
    const reloaded = await openPolicy(folder);
    expect(await reloaded.logprobs(batch, 1)).toEqual(await policy.logprobs(batch, 1));
    for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
      expect(existsSync(join(folder, file)), file).toBe(true);
    }
    const untouched = temporaryFolder();
    await (await openPolicy(name)).save(untouched);
    expect([...readWeights(folder).keys()].sort()).toEqual([...readWeights(untouched).keys()].sort());
  });
});

test('training continues bit for bit from a saved state', async () => {
  const [policy, twin] = [
    await openPolicy('qwen3', { reference: true }),
    await openPolicy('qwen3', { reference: true }),
  ];
  const settings = {
    ...onPolicySettings,
    objective: { ...onPolicySettings.objective, kl: { ...onPolicySettings.objective.kl, beta: 0.04 } },
  };
  const first = await rolloutBatch(policy, { seed: 2, update: 0, prompts: 3, groupSize: 4 });
  await policy.update(first, settings);
  await policy.blendReference(0.5);
  const folder = temporaryFolder();
  const snapshot = await policy.snapshot();
  const second = await rolloutBatch(policy, { seed: 2, update: 1, prompts: 3, groupSize: 4 });
  const trained = await policy.update(second, settings);
  // The snapshot holds the state at its creation, whatever training does before it is written.
  const written = await snapshot.write(folder);
  await expect(snapshot.write(folder)).rejects.toThrow('already written');
  for (const { name, size, sha256 } of written) {
    const bytes = readFileSync(join(folder, name));
    expect([size, sha256]).toEqual([bytes.length, createHash('sha256').update(bytes).digest('hex')]);
  }
  expect(written.map(({ name }) => name).sort()).toEqual(readdirSync(folder).sort());
  await twin.loadTraining(join(folder, trainingFile));
  expect(await twin.update(second, settings)).toEqual(trained);
  expect(await twin.logprobs(second, 1)).toEqual(await policy.logprobs(second, 1));
});

test.each(['llama-linear', 'mistral', 'qwen2-window', 'qwen3-bias'])(
  '%s: libtorch with fused attention and our kernels agree on long sequences',
  async (name) => {
    const tokens = (count: number, from: number): Int32Array =>
      Int32Array.from({ length: count }, (_, index) => 4 + ((from + index * index) % 60));
    const batch = {
      prompts: [tokens(150, 1), tokens(140, 2)],
      sequences: [0, 0, 1].map((prompt, rollout) => ({
        prompt,
        tokens: tokens(100 - rollout, 3 + rollout),
        rollout,
        advantage: 0,
      })),
    };
    const [kernels, torch] = [await openPolicy(name), await openPolicy(name, { backend: 'torch' })];
    const [own, other] = [await kernels.logprobs(batch, 1), await torch.logprobs(batch, 1)];
    const gaps = own.map((found, index) => largestGap(found, other[index] as Float32Array));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5e-5);
  },
);
