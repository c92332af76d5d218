/** Trains an adapter, evaluates it and merges it, through the commands. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { greedyPrompt, missingEngine, runCli, tinyModel } from './support/cli.js';

const threads = ['--threads', '1'];

let root = '';
const run = (): string => join(root, 'run');
const merged = (): string => join(root, 'merged');

async function succeed(...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await runCli(args);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const greedy = (...model: string[]): Promise<string> =>
  succeed('generate', ...model, ...greedyPrompt, '--json', ...threads);

interface Answer {
  readonly completions: readonly { readonly tokens: number[]; readonly logprobs: number[] }[];
}

describe.skipIf(missingEngine !== undefined)(`lora${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'exit-rl-lora-'));
    const size = ['--updates', '3', '--startsPerBatch', '2', '--groupSize', '4', '--checkpoint.every', '1'];
    const lora = ['--lora.rank', '4', '--lora.targetModules', 'q_proj,v_proj', '--learning_rate', '0.05'];
    await succeed('train', 'code-breaker', '--out', run(), ...size, ...lora, ...threads);
  }, 60_000);
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('a checkpoint is a trained adapter that names its base', async () => {
    const checkpoint = join(run(), 'checkpoint-3');
    const names = await readdir(checkpoint);
    expect(names).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'tokenizer.json']),
    );
    expect(names).not.toContain('model.safetensors');
    const config = JSON.parse(await readFile(join(checkpoint, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({ r: 4, base_model_name_or_path: tinyModel, target_modules: ['q_proj', 'v_proj'] });
    expect(await greedy('--model', checkpoint)).not.toBe(await greedy('--model', tinyModel));
  });

  test('the checkpoint, the base with the adapter, and the merged model give the same answers', async () => {
    const adapter = join(run(), 'checkpoint-3');
    const shown = await succeed('merge', '--model', tinyModel, '--adapter', adapter, '--out', merged(), '--json');
    expect(JSON.parse(shown)).toEqual({ out: merged(), weights: 8 });
    const alone = await greedy('--model', adapter);
    expect(await greedy('--model', tinyModel, '--adapter', adapter)).toBe(alone);
    const [one, other] = [alone, await greedy('--model', merged())].map((text) => JSON.parse(text) as Answer);
    expect(other?.completions[0]?.tokens).toEqual(one?.completions[0]?.tokens);
    expect(other?.completions[0]?.logprobs).toEqual(one?.completions[0]?.logprobs);
  });

  test('evaluate accepts the run, and --resume continues with its adapter', async () => {
    const flags = ['--limit', '2', '--draws', '1', '--iterations', '1', '--json', ...threads];
    expect(JSON.parse(await succeed('evaluate', '--model', run(), ...flags))).toHaveProperty('k', [0, 1]);
    await succeed('train', '--resume', run(), '--updates', '4', '--allow-change', 'updates');
    expect(await readdir(run())).toContain('checkpoint-4');
    const { code, stderr } = await runCli(['train', '--resume', run(), '--lora.rank', '8', '--updates', '4']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('lora.rank');
  });

  test('a missing base, an adapter of another model and an unknown module are refused', async () => {
    expect((await runCli(['merge', '--adapter', run(), '--out', merged()])).stderr).toContain('--model');
    const again = await runCli([
      'merge',
      '--model',
      tinyModel,
      '--adapter',
      join(run(), 'checkpoint-3'),
      '--out',
      merged(),
    ]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('holds a model already') });
    const { code, stderr } = await runCli(['train', 'code-breaker', '--lora.targetModules', 'q_prj', '--dry-run']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('did you mean `q_proj`?');
  });
});
