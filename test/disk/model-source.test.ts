/** One reading of what names a model, in the library and in every command. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findModel } from '../../src/disk/model-source.js';
import { CheckpointCorruptError, HubError, ModelFolderError, RunFolderError } from '../../src/errors.js';
import { mergeAdapter } from '../../src/policy/adapters.js';
import { estimateMemory } from '../../src/policy/estimate-memory.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { evaluateRun } from '../../src/run/evaluate-run.js';
import { trainRun } from '../../src/run/train-run.js';
import { greedyPrompt, missingEngine, prompt, runCli, tinyModel } from '../cli/support/cli.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'exit-rl-source-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function make(folder: string, files: Readonly<Record<string, string>>): string {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const model = { 'config.json': '{"model_type":"llama"}', 'model.safetensors': '' };
const adapterOf = (base: unknown, more: object = {}): Readonly<Record<string, string>> => ({
  'adapter_config.json': JSON.stringify({ peft_type: 'LORA', base_model_name_or_path: base, ...more }),
  'adapter_model.safetensors': '',
});
const cached = (name: string, files: Readonly<Record<string, string>>): string => {
  const commit = 'c'.repeat(40);
  make(`hub/models--${name.replace('/', '--')}/refs`, { main: commit });
  return make(`hub/models--${name.replace('/', '--')}/snapshots/${commit}`, files);
};
const find = (named: string, adapter?: string): ReturnType<typeof findModel> =>
  findModel(named, adapter, { HF_HUB_CACHE: join(root, 'hub') });

describe('a model', () => {
  test('is a folder as it is, also one that does not exist, and a file', async () => {
    const folder = make('model', { ...model, 'metrics.jsonl': '{"someone": "else"}' });
    for (const path of [folder, join(root, 'none/at/all'), join(folder, 'config.json')])
      expect(await find(path)).toEqual({ folder: path });
  });

  test('is the cached folder of owner/name', async () => {
    const folder = cached('owner/name', model);
    expect(await find('owner/name')).toEqual({ folder });
    await expect(find('owner/other')).rejects.toBeInstanceOf(HubError);
  });
});

describe('an adapter folder', () => {
  test('is its base with the adapter; its own chat template counts', async () => {
    const base = make('base', model);
    const adapter = make('adapter', adapterOf(base));
    expect(await find(adapter)).toEqual({ folder: base, adapter });
    writeFileSync(join(adapter, 'chat_template.jinja'), '');
    expect(await find(adapter)).toEqual({ folder: base, adapter, chatFolder: adapter });
  });

  test('may hold a copy of the config of its base, as Unsloth and PEFT users publish it', async () => {
    const base = make('base', model);
    const adapter = make('adapter', { ...adapterOf(base), 'config.json': '{"model_type":"llama"}' });
    expect(await find(adapter)).toEqual({ folder: base, adapter });
    const merged = make('merged', { ...adapterOf(base), ...model });
    expect(await find(merged)).toEqual({ folder: merged });
  });

  test('may be on the hub, and its base as well, at the revision that it names', async () => {
    const base = cached('owner/base', model);
    make('hub/models--owner--base/refs', { v1: 'c'.repeat(40) });
    const adapter = cached('owner/adapter', adapterOf('owner/base', { revision: 'v1' }));
    expect(await find('owner/adapter')).toEqual({ folder: base, adapter });
    const other = make('other', adapterOf('owner/base', { revision: 'v2' }));
    await expect(find(other)).rejects.toThrow(/exit-rl fetch owner\/base --revision v2.*name the base as model/);
  });

  test.each<[string, () => string, RegExp]>([
    ['an absent base', () => make('a', adapterOf('/no/such/base')), /`\/no\/such\/base`.*is not a model folder/],
    [
      'a base on the hub that was not fetched',
      () => make('a', adapterOf('owner/none')),
      /run `exit-rl fetch owner\/none`/,
    ],
    ['no base', () => make('a', adapterOf(null)), /names no base model/],
    ['itself as base', () => make('a', adapterOf(join(root, 'a'))), /is an adapter itself/],
    ['damaged JSON', () => make('a', { 'adapter_config.json': '{' }), /adapter_config\.json`: it is not JSON/],
  ])('with %s is refused', async (_name, path, message) => {
    const refusal = find(path());
    await expect(refusal).rejects.toBeInstanceOf(ModelFolderError);
    await expect(refusal).rejects.toThrow(message);
  });

  test('takes no second adapter', async () => {
    const adapter = make('adapter', adapterOf(make('base', model)));
    await expect(find(adapter, adapter)).rejects.toThrow(/is an adapter already/);
  });
});

test("a run without checkpoint, and another trainer's output without a model, are refused", async () => {
  await expect(find(make('run', { 'metrics.jsonl': '' }))).rejects.toBeInstanceOf(RunFolderError);
  make('out/checkpoint-9', { ...model, 'optimizer.pt': '' });
  await expect(find(join(root, 'out'))).rejects.toThrow(/--model .*checkpoint-9/);
});

const sizes = { startsPerBatch: 2, groupSize: 4, sampling: { maxNewTokens: 6 }, threads: 1, device: 'cpu' } as const;
const whole = { task: 'code-breaker', method: 'grpo', checkpoint: { every: 1, keep: 2 }, ...sizes } as const;
const silent = { evaluate: false, report: false, warn: () => {} } as const;

describe.skipIf(missingEngine !== undefined)(`a run${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  let kept = '';
  const run = (): string => join(kept, 'run');
  const lora = (): string => join(kept, 'lora');
  beforeAll(async () => {
    kept = mkdtempSync(join(tmpdir(), 'exit-rl-runs-'));
    const config = { ...whole, model: tinyModel, updates: 2, optimizer: { learningRate: 0.05 } } as const;
    await trainRun(config, { out: run(), ...silent });
    const adapter = { rank: 4, alpha: 8, targetModules: ['q_proj', 'v_proj'] };
    await trainRun({ ...config, lora: adapter }, { out: lora(), ...silent });
  }, 60_000);
  afterAll(() => rmSync(kept, { recursive: true, force: true }));

  const greedy = async (named: string, adapter?: string): Promise<readonly number[]> => {
    const policy = await LocalPolicy.load(named, { device: 'cpu', threads: 1, ...(adapter && { adapter }) });
    try {
      const sampling = { temperature: 0, maxNewTokens: 6 };
      const { completions } = await policy.generate({ prompt, sampling });
      return Array.from(completions[0]?.logprobs ?? []);
    } finally {
      await policy.close();
    }
  };

  test('leads to its latest checkpoint, which is verified', async () => {
    expect(await findModel(run())).toEqual({ folder: join(run(), 'checkpoint-2'), run: run() });
    expect(await findModel(join(run(), 'checkpoint-1'))).toMatchObject({
      folder: join(run(), 'checkpoint-1'),
      run: run(),
    });
    const damaged = join(root, 'run');
    cpSync(run(), damaged, { recursive: true });
    writeFileSync(join(damaged, 'checkpoint-2', 'config.json'), '{}');
    await expect(findModel(damaged)).rejects.toBeInstanceOf(CheckpointCorruptError);
  });

  test('is the same model by every name, in the library', async () => {
    const latest = await greedy(join(run(), 'checkpoint-2'));
    expect(await greedy(run())).toEqual(latest);
    expect(await greedy(tinyModel)).not.toEqual(latest);
    const adapted = await greedy(tinyModel, join(lora(), 'checkpoint-2'));
    expect(adapted).not.toEqual(await greedy(tinyModel));
    for (const name of [lora(), join(lora(), 'checkpoint-2')]) expect(await greedy(name)).toEqual(adapted);
    expect(await greedy(tinyModel, lora())).toEqual(adapted);
    const out = join(root, 'merged');
    expect(await mergeAdapter({ model: lora(), out })).toBe(8);
    expect(await greedy(out)).toEqual(adapted);
    await expect(mergeAdapter({ model: run(), out: join(root, 'no') })).rejects.toThrow(/`adapter`: is missing/);
  });

  test('is the same model by every name, in the commands', async () => {
    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCli([...args, '--threads', '1']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout;
    };
    for (const folder of [run(), lora()]) {
      const checkpoint = join(folder, 'checkpoint-2');
      const answers = (name: string): Promise<string> =>
        succeed('generate', '--model', name, ...greedyPrompt, '--json');
      expect(await answers(folder)).toBe(await answers(checkpoint));
      const lines = join(root, 'lines.jsonl');
      writeFileSync(lines, `${JSON.stringify({ prompt, completion: ' a1x' })}\n`);
      const scores = (name: string): Promise<string> => succeed('score', '--model', name, '--input', lines);
      expect(await scores(folder)).toBe(await scores(checkpoint));
      const memory = async (name: string): Promise<unknown> =>
        JSON.parse(await succeed('doctor', '--model', name, '--device', 'cpu', '--json')).estimate;
      expect(await memory(folder)).toEqual(await memory(checkpoint));
      const few = ['--limit', '2', '--draws', '1', '--iterations', '1', '--json'];
      const measure = async (name: string): Promise<object> => {
        const { seconds: _seconds, ...measured } = JSON.parse(await succeed('evaluate', '--model', name, ...few));
        return measured;
      };
      expect(await measure(folder)).toEqual(await measure(checkpoint));
    }
  }, 120_000);

  test('of its memory the library says the same', async () => {
    const options = { device: 'cpu', threads: 1 };
    expect(await estimateMemory(lora(), options)).toEqual(await estimateMemory(join(lora(), 'checkpoint-2'), options));
  });

  test('is evaluated with the settings of the run by the name of a checkpoint, which writes no file into it', async () => {
    const request = { iterations: 1, draws: 1, limit: 2, device: 'cpu', threads: 1 };
    const { evaluation, file } = await evaluateRun({ model: join(run(), 'checkpoint-1'), ...request });
    expect(evaluation).toMatchObject({ task: 'code-breaker', model: join(run(), 'checkpoint-1') });
    expect(file).toBeUndefined();
  });

  test('is trained on: a run, and an adapter with its own settings', async () => {
    const next = { ...whole, updates: 1 } as const;
    await trainRun({ ...next, model: run() }, { out: join(root, 'next'), ...silent });
    expect(await findModel(join(root, 'next'))).toEqual({
      folder: join(root, 'next', 'checkpoint-1'),
      run: join(root, 'next'),
    });
    await trainRun({ ...next, model: lora() }, { out: join(root, 'more'), ...silent });
    expect(await findModel(join(root, 'more'))).toMatchObject({
      folder: tinyModel,
      adapter: join(root, 'more', 'checkpoint-1'),
    });
    const second = { adapter: join(lora(), 'checkpoint-2') };
    await expect(
      trainRun({ ...next, model: lora(), lora: second }, { out: join(root, 'two'), ...silent }),
    ).rejects.toThrow(/lora\.adapter cannot be added/);
  }, 60_000);
});
