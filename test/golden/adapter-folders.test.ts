/** Adapter folders: merged, saved, resumed, and refused where their config sets what the engine does not compute. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InvalidRequestError, ModelFolderError } from '../../src/errors.js';
import { mergeAdapter } from '../../src/policy/adapters.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { trainingFile, type UpdateSettings } from '../../src/policy/policy.js';
import { supervisedObjective } from '../../src/policy/settings.js';
import { changeHeader, type Entry, type Header } from '../support/safetensors.js';
import {
  adapterFolder,
  type Backend,
  backends,
  baseOf,
  largestGap,
  modelFolder,
  onPolicySettings,
  openPolicy,
  type PlainBatch,
  readGolden,
  readWeights,
  temporaryFolder,
  toBatch,
  toTokenBatch,
} from './support.js';

interface Golden {
  readonly sequences: { prompt: number[]; completion: number[] }[];
  readonly merged: [string, number, number][];
  readonly updates: { steps: { batch: PlainBatch }[] }[];
}

const golden = readGolden<Record<string, Golden>>('lora.json');
const training = (name: string) => toBatch(golden[name]?.updates[0]?.steps[0]?.batch as PlainBatch);
const batchOf = (name: string) => toTokenBatch(golden[name]?.sequences ?? []);

/** Copies a fixture's adapter and changes some keys of its config. */
function changedAdapter(name: string, changes: Record<string, unknown>): string {
  const folder = temporaryFolder();
  cpSync(adapterFolder(name), folder, { recursive: true });
  const file = join(folder, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }));
  return folder;
}

/** Writes the file with all numbers as zeros in half precision, which is enough for a sum. */
function asHalf(file: string): void {
  const halve = (entry: Entry): void => {
    const [from, to] = entry.data_offsets;
    [entry.dtype, entry.data_offsets] = ['F16', [from / 2, to / 2]];
  };
  const change = ({ __metadata__: _, ...tensors }: Header): void => Object.values(tensors).forEach(halve);
  changeHeader(file, change, (data) => Buffer.alloc(data.length / 2));
}

describe.each(Object.keys(golden))('merge: %s', (name) => {
  test("equals PEFT's merge_and_unload, in a folder like the base's", async () => {
    const out = join(temporaryFolder(), 'merged');
    const weights = await mergeAdapter({ model: modelFolder(baseOf(name)), adapter: adapterFolder(name), out });
    expect(readdirSync(out)).toEqual(readdirSync(modelFolder(baseOf(name))));
    const [before, after] = [readWeights(modelFolder(baseOf(name))), readWeights(out)];
    const changed = [...after].filter(([key, values]) => largestGap(values, before.get(key) ?? []) > 0);
    expect(new Set(changed.map(([key]) => key))).toEqual(new Set(golden[name]?.merged.map(([key]) => key)));
    expect(weights).toBe(changed.length);
    for (const [key, index, value] of golden[name]?.merged ?? []) {
      // The base of qwen2 is stored in bf16, so the merged weights are too.
      const tolerance = baseOf(name) === 'qwen2' ? Math.abs(value) / 256 : 1e-6;
      expect(Math.abs((after.get(key)?.[index] as number) - value), `${key}[${index}]`).toBeLessThanOrEqual(tolerance);
    }
  });

  test.skipIf(baseOf(name) === 'qwen2')('computes the same as base and adapter', async () => {
    const out = join(temporaryFolder(), 'merged');
    await mergeAdapter({ model: modelFolder(baseOf(name)), adapter: adapterFolder(name), out });
    const [merged, adapted] = [await openPolicy(out), await openPolicy(baseOf(name), { adapter: adapterFolder(name) })];
    expect(await merged.logprobs(batchOf(name))).toEqual(await adapted.logprobs(batchOf(name)));
  });
});

test('refuses a merged number that its file cannot hold, instead of writing infinity', async () => {
  const base = temporaryFolder();
  cpSync(modelFolder('llama-tied'), base, { recursive: true });
  asHalf(join(base, 'model.safetensors'));
  const adapter = changedAdapter('llama-tied', { lora_alpha: 1e8 });
  const out = join(temporaryFolder(), 'merged');
  await expect(mergeAdapter({ model: base, adapter, out })).rejects.toMatchObject({ code: 'NON_FINITE' });
  expect(existsSync(join(out, 'config.json'))).toBe(false);
});

test('merge does not overwrite a model', async () => {
  const out = temporaryFolder();
  writeFileSync(join(out, 'config.json'), '{}');
  const request = { model: modelFolder('llama-tied'), adapter: adapterFolder('llama-tied'), out };
  await expect(mergeAdapter(request)).rejects.toThrow(InvalidRequestError);
  await expect(mergeAdapter({ ...request, out: request.model })).rejects.toThrow(/holds a model already/);
  expect(readdirSync(out)).toEqual(['config.json']);
});

test('keys of an adapter that nothing reads are ignored with a notice, also when it is merged', async () => {
  const adapter = changedAdapter('llama-tied', { a_note: { by: 'me' }, unsloth_fixed: true });
  const lines: string[] = [];
  const onNotice = (line: string) => void lines.push(line);
  await openPolicy('llama-tied', { adapter, onNotice });
  await mergeAdapter({ model: modelFolder('llama-tied'), adapter, out: join(temporaryFolder(), 'merged'), onNotice });
  const keys = '`a_note`, `unsloth_fixed`';
  const line = `\`${adapter}/adapter_config.json\`: ${keys} are ignored, no code of this family reads them`;
  expect(lines).toEqual([line, line]);
});

describe('loading an adapter refuses by name', () => {
  test.each([
    ['bias', 'lora_only'],
    ['modules_to_save', ['lm_head']],
    ['modules_to_save', ['embed_tokens']],
    ['modules_to_save', ['mlp.up_proj']],
    ['modules_to_save', ['classifier']],
    ['layer_replication', [[0, 2]]],
    ['fan_in_fan_out', true],
    ['lora_bias', true],
    ['use_qalora', true],
    ['target_parameters', ['mlp.experts']],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 1],
    ['bias', true],
    ['peft_type', 'IA3'],
  ])('%s: %j', async (key, value) => {
    const adapter = changedAdapter('llama-tied', { [key]: value });
    const loading = LocalPolicy.load(modelFolder('llama-tied'), { device: 'cpu', adapter });
    await expect(loading).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', fields: { key } });
  });

  test.each([
    ['r', 0, /`r`/],
    ['r', 3, /WEIGHT_SHAPE|the model needs/],
    ['lora_alpha', 'eight', /`lora_alpha`/],
    ['lora_dropout', 2, /dropout/],
    ['lora_dropout', '0.1', /`lora_dropout` is 0.1, not a number/],
    ['use_rslora', 'yes', /`use_rslora` is yes, not true or false/],
    ['lora_alpha', 1e200, /not finite/],
    ['use_dora', true, /lora_magnitude_vector/],
    ['rank_pattern', { q_proj: 8 }, /the model needs/],
    ['rank_pattern', { q_proj: 'eight' }, /`rank_pattern`: the value of `q_proj` is not a rank/],
    ['rank_pattern', { q_proj: 4, 'self_attn.q_proj': 8 }, /both match/],
    ['rank_pattern', { '(?!q).*': 4 }, /regular expression/],
    ['alpha_pattern', { q_proj: -1 }, /alphaPattern/],
    ['modules_to_save', 'norm', /`modules_to_save` is norm, not a list of names/],
    ['modules_to_save', ['model.norm'], /model.norm.weight/],
  ])('%s: %j', async (key, value, message) => {
    const adapter = changedAdapter('llama-tied', { [key]: value });
    const loading = LocalPolicy.load(modelFolder('llama-tied'), { device: 'cpu', adapter });
    await expect(loading).rejects.toThrow(message);
  });

  test('an adapter of another model, of another base, a pickle, and a folder without a base', async () => {
    const load = (model: string, adapter?: string) =>
      LocalPolicy.load(model, { device: 'cpu', ...(adapter !== undefined && { adapter }) });
    await expect(load(modelFolder('llama-tied'), adapterFolder('qwen3'))).rejects.toThrow(ModelFolderError);
    const saved = temporaryFolder();
    await (await openPolicy('llama-tied', { lora: { rank: 2, alpha: 2 } })).save(saved);
    await expect(load(modelFolder('qwen2'), saved)).rejects.toThrow(/another base model/);
    const pickled = changedAdapter('llama-tied', {});
    cpSync(join(pickled, 'adapter_model.safetensors'), join(pickled, 'adapter_model.bin'));
    writeFileSync(join(pickled, 'adapter_model.safetensors'), 'x');
    await expect(load(modelFolder('llama-tied'), pickled)).rejects.toThrow(ModelFolderError);
    await expect(load(changedAdapter('llama-tied', { base_model_name_or_path: 'nowhere' }))).rejects.toThrow(
      /base_model_name_or_path/,
    );
    await expect(load(saved, saved)).rejects.toThrow(/is an adapter already/);
  });

  test('targets that are not modules, and an adapter with other settings than requested', async () => {
    const load = (lora: object, adapter?: string) =>
      openPolicy('llama-tied', { lora: { rank: 4, alpha: 8, ...lora }, ...(adapter !== undefined && { adapter }) });
    await expect(load({ targetModules: ['q_prj'] })).rejects.toMatchObject({ fields: { key: 'lora.targetModules' } });
    await expect(load({ rank: 0 })).rejects.toMatchObject({ fields: { key: 'lora.rank' } });
    await expect(load({ dropout: 1 })).rejects.toMatchObject({ fields: { key: 'lora.dropout' } });
    const folder = adapterFolder('llama-tied');
    await load({}, folder);
    await expect(load({ rank: 8 }, folder)).rejects.toMatchObject({ fields: { key: 'lora.rank' } });
    await expect(load({ alpha: 4 }, folder)).rejects.toMatchObject({ fields: { key: 'lora.alpha' } });
    await expect(load({ targetModules: ['q_proj'] }, folder)).rejects.toMatchObject({
      fields: { key: 'lora.targetModules' },
    });
  });
});

test('a saved adapter folder holds the config for PEFT, the name of its base and the tokenizer', async () => {
  const folder = temporaryFolder();
  const lora = { rank: 3, alpha: 6, targetModules: ['q_proj', 'down_proj'], rankStabilised: true };
  await (await openPolicy('llama-tied', { lora })).save(folder);
  expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: modelFolder('llama-tied'),
    r: 3,
    lora_alpha: 6,
    use_rslora: true,
    target_modules: ['down_proj', 'q_proj'],
    bias: 'none',
  });
  expect(existsSync(join(folder, 'tokenizer.json'))).toBe(true);
  expect(existsSync(join(folder, 'config.json'))).toBe(false);
  const names = [...readWeights(folder).keys()];
  expect(names).toContain('base_model.model.model.layers.1.mlp.down_proj.lora_B.weight');
  expect(names).toHaveLength(8);
});

describe.each(backends)('DoRA, patterns and saved modules: %s', (backend) => {
  const lora = {
    ...{ rank: 3, alpha: 6, dora: true, modulesToSave: ['embed_tokens', 'norm'] },
    ...{ rankPattern: { down_proj: 2, '.*layers\\.1.*q_proj': 5 }, alphaPattern: { down_proj: 5 } },
  };

  test('a new adapter changes nothing, bit for bit', async () => {
    const [base, adapted] = [
      await openPolicy('llama-tied', { backend }),
      await openPolicy('llama-tied', { backend, lora }),
    ];
    expect(await adapted.logprobs(batchOf('llama-tied'))).toEqual(await base.logprobs(batchOf('llama-tied')));
  });

  test('a folder is read again with the same bits, and its config says all', async () => {
    const policy = await openPolicy('llama-tied', { backend, lora });
    for (let at = 0; at < 2; at++)
      await policy.update(training('llama-tied'), { ...onPolicySettings, learningRate: 1e-2 });
    const folder = temporaryFolder();
    await policy.save(folder);
    expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
      use_dora: true,
      rank_pattern: { down_proj: 2, '.*layers\\.1.*q_proj': 5 },
      alpha_pattern: { down_proj: 5 },
      ensure_weight_tying: true,
    });
    const weights = readWeights(folder);
    expect(weights.get('base_model.model.lm_head.weight')).toEqual(
      weights.get('base_model.model.model.embed_tokens.weight'),
    );
    expect(weights.get('base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight')).toHaveLength(5 * 32);
    const again = await openPolicy(folder, { backend });
    expect(await again.logprobs(batchOf('llama-tied'))).toEqual(await policy.logprobs(batchOf('llama-tied')));
    const out = join(temporaryFolder(), 'merged');
    await mergeAdapter({ model: modelFolder('llama-tied'), adapter: folder, out });
    const merged = await openPolicy(out, { backend });
    expect(await merged.logprobs(batchOf('llama-tied'))).toEqual(await policy.logprobs(batchOf('llama-tied')));
  });

  test('gradients of the kernels are those of libtorch', async () => {
    const settings = { ...onPolicySettings, learningRate: 1e-2, adamEpsilon: 1e-3 };
    const trained = async (backend: Backend): Promise<Float32Array[]> => {
      const policy = await openPolicy('llama-tied', { backend, lora });
      for (let at = 0; at < 2; at++) await policy.update(training('llama-tied'), settings);
      const folder = temporaryFolder();
      await policy.save(folder);
      return [...readWeights(folder).values()];
    };
    const [one, other] = [await trained(backend), await trained('torch')];
    const gaps = one.map((values, index) => largestGap(values, other[index] as Float32Array));
    expect(Math.max(...gaps)).toBeLessThan(2e-5);
  });
});

describe('a new adapter refuses by name', () => {
  test.each([
    ['lora.modulesToSave', { modulesToSave: ['lm_head'] }, /tied to the embeddings: name `embed_tokens`/],
    ['lora.modulesToSave', { modulesToSave: ['up_proj'] }, /name it as a target module/],
    ['lora.modulesToSave', { modulesToSave: ['nothing'] }, /no module of this model/],
    ['lora.rankPattern', { rankPattern: { q_prj: 2 } }, /matches no adapted module/],
    ['lora.rankPattern', { rankPattern: { q_proj: 0 } }, /not a rank/],
    ['lora.rankPattern', { rankPattern: { 'q_proj(': 2 } }, /regular expression/],
    ['lora.alphaPattern', { alphaPattern: { q_proj: 1, 'self_attn.q_proj': 2 } }, /both match/],
  ])('%s: %j', async (key, changes, message) => {
    const loading = openPolicy('llama-tied', { lora: { rank: 2, alpha: 2, ...changes } });
    await expect(loading).rejects.toMatchObject({ fields: { key } });
    await expect(loading).rejects.toThrow(message);
  });
});

test('an adapter of one layer of two names whole paths, so that PEFT adapts no other', async () => {
  const folder = temporaryFolder();
  await (await openPolicy('qwen3', { adapter: adapterFolder('qwen3') })).save(folder);
  const { target_modules: targets } = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
  expect(targets).toContain('model.layers.1.self_attn.q_proj');
});

describe.each([...backends.map((backend) => ({ backend, dropout: 0 })), { backend: 'torch' as const, dropout: 0.3 }])(
  'training continues from a saved state with the same bits: $backend, dropout $dropout',
  ({ backend, dropout }) => {
    test('four updates equal two and two', async () => {
      const lora = { rank: 3, alpha: 6, dropout, seed: 5 };
      const settings = {
        ...onPolicySettings,
        learningRate: 1e-2,
        objective: { ...onPolicySettings.objective, kl: { ...onPolicySettings.objective.kl, beta: 0.1 } },
      };
      const updates = async (policy: LocalPolicy, count: number): Promise<void> => {
        for (let at = 0; at < count; at++) {
          await policy.update(training('llama-tied'), settings);
          await policy.blendReference(0.25);
        }
      };
      const policy = await openPolicy('llama-tied', { lora, backend, reference: true });
      await updates(policy, 2);
      const folder = temporaryFolder();
      await (await policy.snapshot()).write(folder);
      await updates(policy, 2);
      const again = await openPolicy('llama-tied', { lora, backend, adapter: folder, reference: true });
      await again.loadTraining(join(folder, trainingFile));
      await updates(again, 2);
      const [one, other] = [temporaryFolder(), temporaryFolder()];
      await (await policy.snapshot()).write(one);
      await (await again.snapshot()).write(other);
      for (const file of ['adapter_model.safetensors', trainingFile])
        expect(readFileSync(join(other, file)).equals(readFileSync(join(one, file))), file).toBe(true);
    });
  },
);

/** Returns A and B after one update of a policy with a new adapter, whose B is then no longer zero. */
async function updated(backend: Backend, dropout: number, changes: Partial<UpdateSettings>): Promise<Float32Array[]> {
  const policy = await openPolicy('llama-tied', { lora: { rank: 3, alpha: 6, dropout, seed: 5 }, backend });
  const settings = { ...onPolicySettings, learningRate: 1e-2, adamEpsilon: 1e-3 };
  await policy.update(training('llama-tied'), settings);
  await policy.update(training('llama-tied'), { ...settings, ...changes });
  const folder = temporaryFolder();
  await policy.save(folder);
  return [...readWeights(folder).values()];
}

describe.each([...backends.map((backend) => ({ backend, dropout: 0 })), { backend: 'torch' as const, dropout: 0.3 }])(
  'recomputation and microbatches give the same adapter: $backend, dropout $dropout',
  ({ backend, dropout }) => {
    test.each([
      ['gradient checkpointing', { gradientCheckpointing: true }],
      ['logits in parts', { logitsBytes: 4 * 96 * 3 }],
      ['both', { gradientCheckpointing: true, logitsBytes: 4 * 96 * 3 }],
    ])('%s', async (_, changes) => {
      const [plain, other] = [await updated(backend, dropout, {}), await updated(backend, dropout, changes)];
      const gaps = plain.map((values, index) => largestGap(values, other[index] as Float32Array));
      expect(Math.max(...gaps)).toBeLessThan(1e-6);
    });
  },
);

test('a new adapter depends on the seed', async () => {
  const saved = async (seed: number): Promise<Map<string, Float32Array>> => {
    const folder = temporaryFolder();
    await (await openPolicy('llama-tied', { lora: { rank: 4, alpha: 8, seed } })).save(folder);
    return readWeights(folder);
  };
  const [first, again, other] = [await saved(1), await saved(1), await saved(2)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  for (const [name, values] of first) {
    const inputs = name.includes('down_proj') ? 48 : 32;
    const largest = Math.max(...values.map(Math.abs));
    if (name.includes('lora_B')) expect(largest).toBe(0);
    else expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(inputs));
    // The largest of 128 uniform numbers exceeds nine tenths of the bound.
    if (name.includes('lora_A')) expect(largest).toBeGreaterThan(0.9 / Math.sqrt(inputs));
  }
});

test('the kernels refuse to train with dropout; `auto` then computes on libtorch', async () => {
  const kernels = openPolicy('llama-tied', { lora: { rank: 2, alpha: 2, dropout: 0.1 }, backend: 'kernels' });
  await expect(kernels).rejects.toThrow(InvalidRequestError);
  const auto = await openPolicy('llama-tied', { lora: { rank: 2, alpha: 2, dropout: 0.1 } });
  expect(auto.info().backend).toBe('torch');
  const adapter = changedAdapter('llama-tied', { lora_dropout: 0.1 });
  const loaded = await openPolicy('llama-tied', { adapter });
  expect(loaded.info().backend).toBe('torch');
  expect((await loaded.update(training('llama-tied'), onPolicySettings)).grad_norm).toBeGreaterThan(0);
  const inference = await openPolicy('llama-tied', { adapter, trainable: false });
  expect(inference.info().backend).not.toBe('torch');
});

test('a bf16 adapter trains in fp32, keeps the base and lowers the loss', async () => {
  const policy = await openPolicy('qwen2', { dtype: 'bfloat16', lora: { rank: 4, alpha: 8 } });
  const settings = { ...onPolicySettings, learningRate: 2e-2, objective: supervisedObjective };
  const losses: number[] = [];
  for (let at = 0; at < 12; at++) losses.push((await policy.update(training('qwen2'), settings)).loss as number);
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
  const folder = temporaryFolder();
  await policy.save(folder);
  const again = await openPolicy(folder, { dtype: 'bfloat16' });
  expect(await again.logprobs(batchOf('qwen2'))).toEqual(await policy.logprobs(batchOf('qwen2')));
});
