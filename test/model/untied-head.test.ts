/** A head that differs from the embeddings it is tied to stays a weight of its own: saved, adapted, merged. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mergeAdapter } from '../../src/policy/adapters.js';
import { estimateMemory } from '../../src/policy/estimate-memory.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { supervisedObjective } from '../../src/policy/settings.js';
import {
  largestGap,
  onPolicySettings,
  openPolicy,
  readWeights,
  temporaryFolder,
  toTokenBatch,
} from '../golden/support.js';
import { changeWeights, copyModel } from '../support/model-folder.js';

const batch = toTokenBatch([{ prompt: [1, 20, 33], completion: [7, 41, 5, 60, 2] }]);
const tied = (folder: string): unknown =>
  JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).tie_word_embeddings;

/** A folder whose config ties a head that the file holds with other numbers. */
function untied(): string {
  const folder = copyModel('llama-tied');
  changeWeights(folder, [
    ['copy', 'model.embed_tokens.weight', 'lm_head.weight'],
    ['alternate', 'lm_head.weight'],
  ]);
  return folder;
}

/** The log-probabilities of the batch, and the notices of loading. */
async function scored(folder: string, adapter?: string): Promise<{ logprobs: number[]; lines: string[] }> {
  const lines: string[] = [];
  const options = { onNotice: (line: string) => void lines.push(line), ...(adapter !== undefined && { adapter }) };
  const policy = await openPolicy(folder, options);
  return { logprobs: [...((await policy.logprobs(batch))[0] ?? [])], lines };
}

test('is saved with a config that no longer ties it', async () => {
  const [folder, out] = [untied(), temporaryFolder()];
  const before = await scored(folder);
  expect(before.lines).toHaveLength(1);
  await (await openPolicy(folder)).save(out);
  const after = await scored(out);
  expect(after).toEqual({ logprobs: before.logprobs, lines: [] });
  expect([tied(folder), tied(out)]).toEqual([true, false]);
  expect(after.logprobs).not.toEqual((await scored(copyModel('llama-tied'))).logprobs);
});

test('is trained apart from the embeddings', async () => {
  const [folder, out] = [untied(), temporaryFolder()];
  const policy = await openPolicy(folder);
  await policy.update(batch, { ...onPolicySettings, objective: supervisedObjective });
  await policy.save(out);
  const [before, after] = [readWeights(folder), readWeights(out)];
  const none = new Float32Array();
  const change = (name: string): number => largestGap(after.get(name) ?? none, before.get(name) ?? none);
  expect(change('lm_head.weight')).toBeGreaterThan(0);
  expect(change('model.embed_tokens.weight')).toBeGreaterThan(0);
  expect(after.get('lm_head.weight')).not.toEqual(after.get('model.embed_tokens.weight'));
});

test('an adapter is trained over it, read again and merged', async () => {
  const [folder, adapter, out] = [untied(), temporaryFolder(), join(temporaryFolder(), 'merged')];
  const policy = await openPolicy(folder, { lora: { rank: 2, alpha: 4 } });
  await policy.update(batch, { ...onPolicySettings, objective: supervisedObjective });
  await policy.save(adapter);
  const trained = [...((await policy.logprobs(batch))[0] ?? [])];
  expect((await scored(folder, adapter)).logprobs).toEqual(trained);
  await mergeAdapter({ model: folder, adapter, out });
  const merged = await scored(out);
  expect(largestGap(merged.logprobs, trained)).toBeLessThan(1e-5);
  expect([merged.lines, tied(out)]).toEqual([[], false]);
});

test('counts in the estimate of memory', async () => {
  const [one, two] = await Promise.all([estimateMemory(copyModel('llama-tied')), estimateMemory(untied())]);
  expect(two.parameters - one.parameters).toBe(96 * 32);
});

test('a head alone stands for the embeddings, also when it is merged', async () => {
  const [folder, adapter, out] = [copyModel('llama-tied'), temporaryFolder(), join(temporaryFolder(), 'merged')];
  changeWeights(folder, [['rename', 'model.embed_tokens.weight', 'lm_head.weight']]);
  const policy = await openPolicy(folder, { lora: { rank: 2, alpha: 4 } });
  await policy.save(adapter);
  await mergeAdapter({ model: folder, adapter, out });
  const expected = await scored(copyModel('llama-tied'));
  expect(await scored(folder)).toEqual(expected);
  expect(await scored(out)).toEqual(expected);
});

test('an adapter beside the model and an index that is not read are noted', async () => {
  const folder = copyModel('llama-tied');
  const adapter = temporaryFolder();
  const policy = await LocalPolicy.load(folder, { lora: { rank: 2, alpha: 4 } });
  await policy.save(adapter);
  await policy.close();
  cpSync(join(adapter, 'adapter_config.json'), join(folder, 'adapter_config.json'));
  writeFileSync(join(folder, 'model.safetensors.index.json'), '{}');
  const { lines } = await scored(folder);
  expect(lines).toEqual([
    expect.stringContaining('it is not read, because `model.safetensors` is there'),
    expect.stringContaining('the adapter beside the model is not applied'),
  ]);
});
