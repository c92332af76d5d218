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
  PolicyClosedError,
} from '../src/errors.js';
import { addonFile, crossing, crossingNow, native, translateError } from '../src/native.js';
import { LocalPolicy } from '../src/policy/local.js';

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
    'that is no such message stays as it is: %s',
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
  test('is not loaded by importing the package, only by its first use', async () => {
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

  test('closing twice is one close, and a closed policy says so', async () => {
    const policy = await LocalPolicy.load(tiny, { device: 'cpu', threads: 1 });
    await Promise.all([policy.close(), policy.close()]);
    expect(PolicyClosedError.isInstance(await rejection(policy.stats()))).toBe(true);
  });

  test('an abort ends the work with CancelledError', async () => {
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

describe('an addon that cannot be loaded', () => {
  /** A copy of the package in which something is broken, and what its first use says. */
  function firstUse(prepare: (folder: string) => void, environment: NodeJS.ProcessEnv = {}): string {
    const folder = mkdtempSync(join(tmpdir(), 'exit-rl-native-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(root, 'dist/src'), join(folder, 'dist/src'), { recursive: true });
    for (const name of ['package.json', 'binding.cjs']) cpSync(join(root, name), join(folder, name));
    prepare(folder);
    const script = `import { native } from '${folder}/dist/src/native.js';
      try { native(); } catch (error) { console.log(error.name, error.code, error.message); }`;
    const args = ['--input-type=module', '--eval', script];
    return spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...environment } }).stdout;
  }

  const placeAddon = (folder: string): void => {
    const file = addonFile() as string;
    cpSync(file, join(folder, file.slice(root.length)));
  };

  test('because it was not built', () => {
    expect(firstUse(() => {})).toMatch(/^NativeError ADDON_MISSING .*run `npm run build`/);
  });

  test('because libtorch is gone', () => {
    expect(firstUse(placeAddon)).toMatch(/^NativeError LIBTORCH no libtorch was found .*run `npm run build`/);
  });

  test('because LIBTORCH names another version', () => {
    const old = mkdtempSync(join(tmpdir(), 'exit-rl-old-'));
    onTestFinished(() => rmSync(old, { recursive: true, force: true }));
    mkdirSync(join(old, 'lib'));
    writeFileSync(join(old, 'lib/libtorch_cpu.so'), '');
    writeFileSync(join(old, 'build-version'), '2.4.0');
    expect(firstUse(placeAddon, { LIBTORCH: old })).toMatch(/version 2\.4\.0, 2\.11 is needed.*unset it/);
  });

  test('because the file is damaged: the reason of the system is told', () => {
    const said = firstUse((folder) => {
      symlinkSync(join(root, 'libtorch'), join(folder, 'libtorch'));
      writeFileSync(join(folder, (addonFile() as string).slice(root.length)), 'not an addon');
    });
    expect(said).toMatch(/^NativeError ADDON_LOAD .*\.node: .*npm run build/);
  });

  test('and one that is found through LIBTORCH works from another place', () => {
    const said = firstUse(placeAddon, { LIBTORCH: join(root, 'libtorch') });
    expect(said).toBe('');
  });
});
