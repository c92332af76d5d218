import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NativeError } from '../src/errors.js';
import { chooseLibtorch, findLibtorch, type LibtorchQuestion } from '../src/libtorch.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-libtorch-'));
  libtorch('built', 'build-version', '2.11.0');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function libtorch(path: string, versionFile: string, text: string, libraries = ['libtorch_cpu.so']): string {
  write(`${path}/${versionFile}`, text);
  for (const library of libraries) write(`${path}/lib/${library}`, '');
  return join(folder, path);
}

/** A Python environment with torch. */
function python(name: string, version: string, cuda = true): string {
  const libraries = cuda ? ['libtorch_cpu.so', 'libtorch_cuda.so'] : ['libtorch_cpu.so'];
  libtorch(`${name}/lib/python3.12/site-packages/torch`, 'version.py', `__version__ = '${version}'\n`, libraries);
  return join(folder, name);
}

const find = (question: Partial<LibtorchQuestion> = {}) =>
  findLibtorch({ environment: {}, device: 'auto', builtIn: join(folder, 'built'), nvidiaDriver: true, ...question });

const summary = (candidates: ReturnType<typeof find>) =>
  candidates.map(({ source, used, reason }) => `${used ? '+' : '-'} ${source}: ${reason}`);

describe('the choice of libtorch', () => {
  test('falls on the built-in one where there is no other', () => {
    expect(summary(find())).toEqual(['+ built-in: the addon was built with it']);
  });

  test('falls on CUDA from the active Python environment where there is a driver', () => {
    const environment = { VIRTUAL_ENV: python('env', '2.11.0+cu130') };
    const candidates = find({ environment });
    expect(summary(candidates)).toEqual([
      '+ VIRTUAL_ENV: found through VIRTUAL_ENV',
      '- built-in: an earlier one in this list takes precedence',
    ]);
    expect(chooseLibtorch(candidates)).toMatchObject({ cuda: true, version: '2.11.0+cu130' });
  });

  test.each([
    ['2.10.0', true, 'auto', true, 'version 2.10.0, 2.11 is needed'],
    ['2.11.0+cpu', false, 'auto', true, 'a build without CUDA'],
    ['2.11.0+cu130', true, 'cpu', true, 'the device is cpu'],
    ['2.11.0+cu130', true, 'auto', false, 'no NVIDIA driver on this machine'],
  ])('Python torch %s (CUDA %s) for device %s, driver %s: %s', (version, cuda, device, nvidiaDriver, reason) => {
    const environment = { CONDA_PREFIX: python('env', version, cuda) };
    expect(summary(find({ environment, device, nvidiaDriver }))).toEqual([
      `- CONDA_PREFIX: ${reason}`,
      '+ built-in: the addon was built with it',
    ]);
  });

  test('a CUDA device that is requested by name loads CUDA even where no driver is found', () => {
    const environment = { VIRTUAL_ENV: python('env', '2.11.1+cu130') };
    expect(chooseLibtorch(find({ environment, device: 'cuda:0', nvidiaDriver: false })).source).toBe('VIRTUAL_ENV');
  });

  test('an exported LIBTORCH takes precedence', () => {
    const LIBTORCH = libtorch('mine', 'build-version', '2.11.0');
    const environment = { LIBTORCH, VIRTUAL_ENV: python('env', '2.11.0+cu130') };
    expect(summary(find({ environment }))[0]).toBe('+ LIBTORCH: found through LIBTORCH');
  });

  test('LIBTORCH that names the built-in folder by another path counts as the built-in one', () => {
    symlinkSync(join(folder, 'built'), join(folder, 'link'));
    expect(summary(find({ environment: { LIBTORCH: join(folder, 'link') } }))).toEqual([
      '+ built-in: the addon was built with it',
    ]);
  });
});

describe('the folder that set-up shares', () => {
  const missing = () => join(folder, 'nowhere');
  const home = () => ({ EXIT_RL_HOME: folder });

  test('serves a package without a libtorch', () => {
    libtorch('libtorch-2.11.0-cpu', 'build-version', '2.11.0');
    write('libtorch-2.11.0-cpu/exit-rl.json', '{}');
    const candidates = find({ builtIn: missing(), environment: home() });
    expect(summary(candidates)).toEqual([
      '- built-in: lib/libtorch_cpu.so is missing',
      '+ managed: set-up has fetched it',
    ]);
    expect(chooseLibtorch(candidates).folder).toBe(join(folder, 'libtorch-2.11.0-cpu'));
  });

  test('lies in the cache of the user', () => {
    libtorch('exit-rl/libtorch-2.11.0-cpu', 'build-version', '2.11.0');
    write('exit-rl/libtorch-2.11.0-cpu/exit-rl.json', '{}');
    const found = find({ builtIn: missing(), environment: { XDG_CACHE_HOME: folder } });
    expect(chooseLibtorch(found).folder).toBe(join(folder, 'exit-rl/libtorch-2.11.0-cpu'));
  });

  test('is passed over while set-up fills it, and where the package has its own', () => {
    libtorch('libtorch-2.11.0-cpu', 'build-version', '2.11.0');
    expect(summary(find({ builtIn: missing(), environment: home() }))[1]).toBe('- managed: set-up has not finished it');
    expect(find({ environment: home() }).map(({ source }) => source)).toEqual(['built-in']);
  });
});

describe('an unusable libtorch', () => {
  test('an exported LIBTORCH of another version is an error that names it and the fix', () => {
    const LIBTORCH = libtorch('old', 'build-version', '2.9.1');
    const candidates = find({ environment: { LIBTORCH } });
    expect(candidates.some(({ used }) => used)).toBe(false);
    expect(() => chooseLibtorch(candidates)).toThrow(
      /old: version 2\.9\.1, 2\.11 is needed; point it at .* or unset it/,
    );
  });

  test('without any libtorch the error names the folders searched and the command to run', () => {
    const caught = (() => {
      try {
        return chooseLibtorch(find({ builtIn: join(folder, 'nowhere'), environment: { EXIT_RL_HOME: folder } }));
      } catch (error) {
        return error;
      }
    })();
    expect(NativeError.isInstance(caught) && caught.code).toBe('LIBTORCH');
    expect(String(caught)).toMatch(/nowhere: lib\/libtorch_cpu\.so is missing\); run `npm run build`/);
  });
});
