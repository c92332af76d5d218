/** What is saved is what was loaded, in one file or in shards, and comes back bit for bit. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import { LocalPolicy } from '../../src/policy/local.js';
import { rolloutBatch } from '../golden/rollout-batch.js';
import { modelFolder, onPolicySettings, openPolicy, readWeights, temporaryFolder } from '../golden/support.js';

const weightFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.includes('safetensors'))
    .sort();

describe('shards', () => {
  test('hold at most the size asked for, and load to the same bits', async () => {
    const policy = await openPolicy('qwen3');
    const folder = temporaryFolder();
    const written = await policy.save(folder, { maxShardBytes: 30_000 });
    const shards = weightFiles(folder).filter((name) => name.endsWith('.safetensors'));
    expect(shards.length).toBeGreaterThan(3);
    expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
    for (const name of shards) expect(statSync(join(folder, name)).size).toBeLessThan(32_000);
    expect(written.map(({ name }) => name).sort()).toEqual(readdirSync(folder).sort());
    expect(readWeights(folder)).toEqual(readWeights(modelFolder('qwen3')));

    const batch = await rolloutBatch(policy, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
    expect(await (await openPolicy(folder)).score(batch)).toEqual(await policy.score(batch));
  });

  test('are those of a folder made by transformers', async () => {
    const folder = temporaryFolder();
    await (await openPolicy('llama-yarn')).save(folder, { maxShardBytes: 40_000 });
    const total = (where: string) => JSON.parse(readFileSync(join(where, 'model.safetensors.index.json'), 'utf8'));
    const [ours, theirs] = [total(folder), total(modelFolder('llama-yarn'))];
    expect(ours.metadata).toEqual(theirs.metadata);
    expect(Object.keys(ours.weight_map).sort()).toEqual(Object.keys(theirs.weight_map).sort());
    expect(readWeights(folder)).toEqual(readWeights(modelFolder('llama-yarn')));
  });

  test('of an earlier save do not stay beside those of a later one', async () => {
    const policy = await openPolicy('llama-tied');
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'model.safetensors.notes'), 'mine');
    await policy.save(folder, { maxShardBytes: 20_000 });
    await policy.save(folder);
    expect(weightFiles(folder)).toEqual(['model.safetensors', 'model.safetensors.notes']);
    await policy.save(folder, { maxShardBytes: 50_000 });
    expect(weightFiles(folder)).not.toContain('model.safetensors');
    expect(readWeights(folder)).toEqual(readWeights(modelFolder('llama-tied')));
  });

  test.each([0, -1, 1.5, Number.NaN])('of %d bytes are refused', async (maxShardBytes) => {
    const policy = await openPolicy('llama-tied');
    await expect(policy.save(temporaryFolder(), { maxShardBytes })).rejects.toThrow(InvalidRequestError);
  });
});

test('a save and a snapshot of the same moment write the same bytes', async () => {
  const policy = await openPolicy('mistral', { reference: true });
  const batch = await rolloutBatch(policy, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
  await policy.update(batch, { ...onPolicySettings, learningRate: 0.01 });
  const [direct, copied] = [temporaryFolder(), temporaryFolder()];
  const saved = await policy.save(direct, { maxShardBytes: 30_000 });
  const snapshot = await (await policy.snapshot()).write(copied, { maxShardBytes: 30_000 });
  expect(snapshot.filter(({ name }) => name !== 'training.safetensors')).toEqual(saved);
});

describe('a policy in bfloat16 that is only asked', () => {
  const load = (trainable: boolean) =>
    LocalPolicy.load(modelFolder('qwen2'), { device: 'cpu', threads: 1, dtype: 'bfloat16', trainable });

  test('scores and saves as one that could be trained', async () => {
    const [asked, trained] = [await load(false), await load(true)];
    const batch = await rolloutBatch(trained, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
    expect(await asked.score(batch)).toEqual(await trained.score(batch));
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    expect(await asked.save(one)).toEqual(await trained.save(other));
    await Promise.all([asked.close(), trained.close()]);
  });

  test('is not trained', async () => {
    const policy = await load(false);
    const batch = await rolloutBatch(policy, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
    await expect(policy.update(batch, onPolicySettings)).rejects.toThrow(/`trainable`/);
    await expect(policy.snapshot()).rejects.toThrow(/`trainable`/);
    await policy.close();
  });
});
