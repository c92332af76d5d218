import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  CancelledError,
  DeviceError,
  InvalidRequestError,
  ModelFolderError,
  NonFiniteError,
  PolicyClosedError,
} from '../src/errors.js';
import { addonFile, crossing, crossingNow, native, translateError } from '../src/native.js';
import { LocalPolicy } from '../src/policy/local-policy.js';
import type { UpdateSettings } from '../src/policy/policy.js';
import { onPolicySettings } from './golden/support.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tiny = join(root, 'test/golden/models/llama-tied');
const isMapped = (): boolean => readFileSync('/proc/self/maps', 'utf8').includes('libtorch_cpu.so');
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('a failure that crosses the border', () => {
  test('becomes the class of its code, with its fields', () => {
    const fields = { folder: '/m', file: 'config.json' };
    const error = translateError(new Error(JSON.stringify({ code: 'MODEL_FILE_MISSING', message: 'gone', fields })));
    expect(ModelFolderError.isInstance(error) && error.fields).toEqual(fields);
    expect(error).toMatchObject({ code: 'MODEL_FILE_MISSING', message: 'gone', name: 'ModelFolderError' });
  });

  test('of an unknown code is a NativeError with that code', () => {
    const error = translateError(new Error('{"code":"PANIC","message":"the engine failed"}'));
    expect(error).toMatchObject({ name: 'NativeError', code: 'PANIC', fields: {} });
  });

  test.each([new Error('plain'), new Error('{not json'), new Error('{"message":"no code"}'), 'text', undefined])(
    'with another message is unchanged: %s',
    (error) => {
      expect(translateError(error)).toBe(error);
    },
  );

  test('is translated whether the call throws or rejects', async () => {
    const fail = (): never => {
      throw new Error('{"code":"CANCELLED","message":"cancelled","fields":{}}');
    };
    expect(() => crossingNow(fail)).toThrow(CancelledError);
    await expect(crossing(fail)).rejects.toThrow(CancelledError);
    await expect(crossing(() => Promise.reject(fail()))).rejects.toThrow(CancelledError);
  });
});

describe('the addon', () => {
  test('is loaded by its first use, not by importing the package', async () => {
    await import('../src/index.js');
    expect(isMapped()).toBe(false);
    expect(native().engineInfo().threads).toBeGreaterThan(0);
    expect(isMapped()).toBe(true);
  });

  test('refuses CUDA by name when it was not loaded with it', async () => {
    const error = await rejection(LocalPolicy.load(tiny, { device: 'cuda:3' }));
    expect(DeviceError.isInstance(error)).toBe(true);
    expect(String(error)).toContain('cuda:3');
  });

  test('a folder without a model names the file that is missing', async () => {
    const error = await rejection(LocalPolicy.load(join(root, 'docs'), { device: 'cpu' }));
    expect(ModelFolderError.isInstance(error)).toBe(true);
    expect(String(error)).toContain('config.json');
  });

  test('a wrong request is refused by the name of its key', async () => {
    const policy = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1 });
    onTestFinished(() => policy.close());
    const sampling = { temperature: -1, maxNewTokens: 4 };
    const request = { prompt: [1, 2], n: 1, sampling, seed: 1, requestId: 1 };
    const error = await rejection(policy.generate(request));
    expect(InvalidRequestError.isInstance(error) && error.fields.key).toBe('temperature');
  });

  test('closing twice closes once, and a closed policy refuses calls', async () => {
    const policy = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1 });
    await Promise.all([policy.close(), policy.close()]);
    expect(PolicyClosedError.isInstance(await rejection(policy.stats()))).toBe(true);
  });

  test('an abort rejects with CancelledError', async () => {
    const policy = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1 });
    onTestFinished(() => policy.close());
    const controller = new AbortController();
    const sampling = { temperature: 1, maxNewTokens: 20 };
    const request = { prompt: [1, 2], n: 4096, sampling, seed: 1, requestId: 1, signal: controller.signal };
    const generating = rejection(policy.generate(request));
    controller.abort();
    expect(CancelledError.isInstance(await generating)).toBe(true);
    expect(CancelledError.isInstance(await rejection(policy.generate(request)))).toBe(true);
  });
});

describe('the error of an addon that cannot be loaded', () => {
  /** Breaks a copy of the package and returns the output of its first use. */
  function firstUse(prepare: (folder: string) => void, environment: NodeJS.ProcessEnv = {}): string {
    const folder = mkdtempSync(join(tmpdir(), 'exit-rl-native-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
    for (const name of ['package.json', 'binding.cjs']) cpSync(join(root, name), join(folder, name));
    prepare(folder);
    const script = `import { native } from '${folder}/dist/native.js';
      try { native(); } catch (error) { console.log(error.name, error.code, error.message); }`;
    const args = ['--input-type=module', '--eval', script];
    return spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...environment } }).stdout;
  }

  const placeAddon = (folder: string): void => {
    const file = addonFile() as string;
    cpSync(file, join(folder, file.slice(root.length)));
  };

  test('names the build command when it is missing', () => {
    expect(firstUse(() => {})).toMatch(
      /^NativeError ADDON_MISSING .*build it in a checkout of exit-rl .*`npm run build`/,
    );
  });

  test('names libtorch when it is missing', () => {
    expect(firstUse(placeAddon, { EXIT_RL_HOME: join(root, 'nowhere') })).toMatch(
      /^NativeError LIBTORCH no libtorch was found .*run `npm run build`/,
    );
  });

  test('names the version when LIBTORCH has another', () => {
    const old = mkdtempSync(join(tmpdir(), 'exit-rl-old-'));
    onTestFinished(() => rmSync(old, { recursive: true, force: true }));
    mkdirSync(join(old, 'lib'));
    writeFileSync(join(old, 'lib/libtorch_cpu.so'), '');
    writeFileSync(join(old, 'build-version'), '2.4.0');
    expect(firstUse(placeAddon, { LIBTORCH: old })).toMatch(/version 2\.4\.0, 2\.11 is needed.*unset it/);
  });

  test('gives the reason of the system when the file is damaged', () => {
    const output = firstUse((folder) => {
      symlinkSync(join(root, 'libtorch'), join(folder, 'libtorch'));
      writeFileSync(join(folder, (addonFile() as string).slice(root.length)), 'not an addon');
    });
    expect(output).toMatch(/^NativeError ADDON_LOAD .*\.node: .*npm run build/);
  });

  test('does not occur when LIBTORCH names a libtorch elsewhere', () => {
    const output = firstUse(placeAddon, { LIBTORCH: join(root, 'libtorch') });
    expect(output).toBe('');
  });
});

describe('the engine rejects instead of ending the process for', () => {
  const policy = async (): Promise<LocalPolicy> => {
    const loaded = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1 });
    onTestFinished(() => loaded.close());
    return loaded;
  };
  const sampling = { temperature: 1, maxNewTokens: 24 };

  test.each([-1, 0, 2 ** 32 - 1])('%i completions', async (n) => {
    const asking = (await policy()).generate({ prompt: [1, 2], n, sampling, seed: 1, requestId: 1 });
    await expect(asking).rejects.toMatchObject({ name: 'InvalidRequestError', fields: { key: 'n' } });
  });

  test.each([[[0, 9]], [[2, 1]]])('offsets beyond their tokens: %j', async (list) => {
    const tokenizer = await crossing(() => native('cpu').NativeTokenizer.load(tiny));
    const [tokens, offsets] = [Int32Array.of(1, 2), Uint32Array.from(list)];
    expect(() => crossingNow(() => tokenizer.decode(tokens, offsets, true))).toThrow(InvalidRequestError);
    const rendered = { text: 'x', guard: 'g', splice: 's', tokens, offsets };
    const encoding = crossing(() => tokenizer.encodeRendered(rendered));
    await expect(encoding).rejects.toMatchObject({ fields: { key: 'offsets' } });
  });

  test('more requests than the queue holds, and answers each', async () => {
    const busy = await policy();
    const stop = new AbortController();
    const request = { prompt: [1, 2], n: 200_000, sampling, seed: 1, requestId: 1, signal: stop.signal };
    const generating = busy.generate(request);
    const refused = new Map<unknown, number>();
    const count = ({ code }: { code?: unknown }) => refused.set(code, (refused.get(code) ?? 0) + 1);
    const requests = Array.from({ length: 70_000 }, () => busy.stats().catch(count));
    stop.abort();
    await expect(generating).rejects.toThrow(CancelledError);
    await Promise.all(requests);
    expect([...refused.keys()]).toEqual(['QUEUE_FULL']);
  }, 60_000);
});

test('sampling uses the weights of the first optimizer step when the update fails after it', async () => {
  const policy = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1, backend: 'kernels' });
  onTestFinished(() => policy.close());
  const prompts = [Int32Array.of(1, 2, 3)];
  const sequence = (step: number, advantage: number) => ({
    ...{ prompt: 0, tokens: Int32Array.of(4, 5, 6), rollout: step, advantage, step },
  });
  const sequences = [sequence(0, 1), sequence(1, 3e38)];
  const settings: UpdateSettings = { ...onPolicySettings, learningRate: 0.05 };
  await expect(policy.update({ prompts, sequences }, settings)).rejects.toThrow(NonFiniteError);
  const sampling = { temperature: 1, maxNewTokens: 8 };
  const { completions } = await policy.generate({
    prompt: prompts[0] as Int32Array,
    n: 4,
    sampling,
    seed: 1,
    requestId: 1,
  });
  const batch = completions.map(({ tokens }, rollout) => ({ prompt: 0, tokens, rollout, advantage: 0 }));
  expect(await policy.logprobs({ prompts, sequences: batch })).toEqual(completions.map(({ logprobs }) => logprobs));
});
