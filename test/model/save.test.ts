/** A saved model equals the loaded one bit for bit, in one file or in shards. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { InvalidRequestError } from '../../src/errors.js';
import { crossing, native } from '../../src/native.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { loadPolicy, trainedChoice } from '../../src/run/assemble.js';
import { fingerprintModel } from '../../src/run/identity.js';
import { rolloutBatch } from '../golden/rollout-batch.js';
import { modelFolder, onPolicySettings, openPolicy, readWeights, temporaryFolder } from '../golden/support.js';
import { copyModel, loadError } from '../support/model-folder.js';

const weightFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.includes('safetensors'))
    .sort();

describe('shards', () => {
  test('have at most the requested size, and load to the same bits', async () => {
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
    expect(await (await openPolicy(folder)).logprobs(batch)).toEqual(await policy.logprobs(batch));
  });

  test('equal those that transformers writes', async () => {
    const folder = temporaryFolder();
    await (await openPolicy('llama-yarn')).save(folder, { maxShardBytes: 40_000 });
    const total = (where: string) => JSON.parse(readFileSync(join(where, 'model.safetensors.index.json'), 'utf8'));
    const [ours, theirs] = [total(folder), total(modelFolder('llama-yarn'))];
    expect(ours.metadata).toEqual(theirs.metadata);
    expect(Object.keys(ours.weight_map).sort()).toEqual(Object.keys(theirs.weight_map).sort());
    expect(readWeights(folder)).toEqual(readWeights(modelFolder('llama-yarn')));
  });

  test('of an earlier save are removed by a later one', async () => {
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

describe('named chat templates', () => {
  /** Creates a folder with two named templates besides the default one. */
  function withTemplates(): string {
    const folder = copyModel('qwen2');
    const inner = join(folder, 'additional_chat_templates');
    mkdirSync(inner);
    writeFileSync(join(folder, 'chat_template.jinja'), 'default{% for m in messages %} {{ m.content }}{% endfor %}');
    for (const name of ['tool_use', 'rag']) writeFileSync(join(inner, `${name}.jinja`), `${name} {{ mood }}`);
    writeFileSync(join(inner, 'notes.txt'), 'no template');
    return folder;
  }
  const templatesOf = (folder: string): string[] => readdirSync(join(folder, 'additional_chat_templates')).sort();

  test('are part of every save, snapshot and merge', async () => {
    const policy = await openPolicy(withTemplates());
    const [saved, snapped] = [temporaryFolder(), temporaryFolder()];
    const written = await policy.save(saved);
    expect(written.map(({ name }) => name)).toContain('additional_chat_templates/tool_use.jinja');
    await (await policy.snapshot()).write(snapped);
    for (const folder of [saved, snapped]) expect(templatesOf(folder)).toEqual(['rag.jinja', 'tool_use.jinja']);
    const again = await openPolicy(saved, { chat: { variables: { mood: 'calm' } } });
    const messages = [{ role: 'user', content: 'hi' }] as const;
    expect(await again.renderMessages(messages)).toBe('default hi');
    expect(await again.renderMessages(messages, { tools: [{}] })).toBe('tool_use calm');
    expect(await again.renderMessages(messages, { template: 'rag', variables: { mood: 'glad' } })).toBe('rag glad');
  });

  test('of the base are copied into a merged folder and beside an adapter', async () => {
    const [base, adapter, merged] = [withTemplates(), temporaryFolder(), join(temporaryFolder(), 'merged')];
    const policy = await openPolicy(base, { lora: { rank: 2, alpha: 4 } });
    await policy.save(adapter);
    await crossing(() => native('cpu').mergeAdapter(base, adapter, merged));
    for (const folder of [adapter, merged]) expect(templatesOf(folder)).toEqual(['rag.jinja', 'tool_use.jinja']);
  });

  test('must be unchanged when a run is resumed', async () => {
    const folder = withTemplates();
    const before = await fingerprintModel(folder);
    writeFileSync(join(folder, 'additional_chat_templates', 'rag.jinja'), 'other');
    const after = await fingerprintModel(folder);
    expect(after?.model).toBe(before?.model);
    expect(after?.tokenizer).not.toBe(before?.tokenizer);
  });

  test('of unlimited size are refused', async () => {
    const folder = withTemplates();
    const inner = join(folder, 'additional_chat_templates');
    for (let at = 0; at < 70; at++) writeFileSync(join(inner, `${at}.jinja`), '');
    expect(String(await loadError(folder))).toContain('more than 64 templates');
  });
});

test('the chat options of a config apply to every prompt', async () => {
  const folder = copyModel('qwen2');
  writeFileSync(join(folder, 'chat_template.jinja'), '{{ date_string }} {{ enable_thinking }} {{ depth }}');
  const names = { chat_template_kwargs: { enable_thinking: false, depth: 3 }, chat: { date: '2026-02-03' } };
  const config = parseConfig({ task: 'reds', model: folder, device: 'cpu', ...names });
  const policy = await loadPolicy(folder, trainedChoice(config, {}));
  onTestFinished(() => policy.close());
  expect(await policy.renderMessages([{ role: 'user', content: 'x' }])).toMatch(/^03 Feb 2026 (F|f)alse 3$/);
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

describe('a policy in bfloat16 that is not trainable', () => {
  const load = (trainable: boolean) =>
    LocalPolicy.load(modelFolder('qwen2'), { device: 'cpu', threads: 1, dtype: 'bfloat16', trainable });

  test('gives the same log-probabilities and saves as one that can be trained', async () => {
    const [asked, trained] = [await load(false), await load(true)];
    const batch = await rolloutBatch(trained, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
    expect(await asked.logprobs(batch)).toEqual(await trained.logprobs(batch));
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    expect(await asked.save(one)).toEqual(await trained.save(other));
    await Promise.all([asked.close(), trained.close()]);
  });

  test('refuses updates', async () => {
    const policy = await load(false);
    const batch = await rolloutBatch(policy, { seed: 1, update: 0, prompts: 3, groupSize: 2 });
    await expect(policy.update(batch, onPolicySettings)).rejects.toThrow(/`trainable`/);
    await expect(policy.snapshot()).rejects.toThrow(/`trainable`/);
    await policy.close();
  });
});
