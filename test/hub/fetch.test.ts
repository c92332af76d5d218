/** Downloads from a hub on the loopback interface, with injected faults. */
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HubError, UsageError } from '../../src/errors.js';
import { type Fetched, type FetchOptions, fetchModel } from '../../src/hub/fetch.js';
import { globPattern } from '../../src/hub/listing.js';
import { modelFolder } from '../../src/hub/model-cache.js';
import { runCli } from '../cli/support/cli.js';
import { commit, type LoopbackHub, startHub } from './server.js';

const model = { name: 'owner/small-model', revision: 'main' };
const weights = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
const files = new Map([
  ['config.json', Buffer.from('{"model_type":"llama"}')],
  ['model.safetensors', weights],
  ['tokenizer.json', Buffer.from('{}')],
  ['additional_chat_templates/tool_use.jinja', Buffer.from('{{ messages }}')],
  ['pytorch_model.bin', Buffer.from('pickle')],
  ['original/consolidated.safetensors', Buffer.from('twice')],
  ['README.md', Buffer.from('# model')],
  ['merges.txt', Buffer.alloc(0)],
]);

let hub: LoopbackHub;
let home = '';
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'exit-rl-hub-'));
  hub = await startHub(model.name, files);
});
afterEach(async () => {
  await hub.close();
  rmSync(home, { recursive: true, force: true });
});

const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  HF_HOME: home,
  HF_ENDPOINT: hub.url,
  ...more,
});

const fetched = (options: FetchOptions = {}): Promise<Fetched> =>
  fetchModel(model, { environment: environment(), patienceMilliseconds: 1_000, ...options });

const repository = (): string => join(home, 'hub', 'models--owner--small-model');

describe('fetch', () => {
  test('stores the model like huggingface_hub, without pickles and copies for other frameworks', async () => {
    const { folder, files: names } = await fetched();
    expect(folder).toBe(join(repository(), 'snapshots', commit));
    expect([...names].sort()).toEqual(
      [
        'README.md',
        'additional_chat_templates/tool_use.jinja',
        'config.json',
        'merges.txt',
        'model.safetensors',
        'tokenizer.json',
      ].sort(),
    );
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readlinkSync(join(folder, 'model.safetensors'))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(readFileSync(join(repository(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(modelFolder('owner/small-model', environment())).toBe(folder);
  });

  test('transfers nothing the second time', async () => {
    await fetched();
    hub.asked.length = 0;
    await fetched();
    expect(hub.asked).toEqual([]);
  });

  test.each<[string, Record<string, string>]>([
    ['HF_HUB_OFFLINE', { HF_HUB_OFFLINE: '1' }],
    ['TRANSFORMERS_OFFLINE', { TRANSFORMERS_OFFLINE: 'true' }],
    ['an absent network', { HF_ENDPOINT: 'http://127.0.0.1:9' }],
  ])('returns a cached model without a network: %s', async (_name, variables) => {
    const online = await fetched();
    const offline = await fetchModel(model, { environment: environment(variables), patienceMilliseconds: 1_000 });
    expect({ ...offline, files: [...offline.files].sort() }).toEqual({
      ...online,
      files: [...online.files].sort(),
      offline: expect.stringMatching(/nothing is fetched|cannot be reached/),
    });
    expect(modelFolder(`${model.name}@${commit}`, environment())).toBe(online.folder);
  });

  test('returns a cached model when the hub has trouble of its own, and not when it refuses', async () => {
    const online = await fetched();
    hub.faults = { status: 503 };
    expect(await fetched()).toMatchObject({ folder: online.folder, offline: expect.stringContaining('503') });
    hub.faults = { status: 401 };
    await expect(fetched()).rejects.toThrow(/401/);
  });

  test('returns no cached model that lacks a weight file', async () => {
    const { folder } = await fetched();
    rmSync(join(folder, 'model.safetensors'));
    const offline = fetchModel(model, { environment: environment({ HF_HUB_OFFLINE: '1' }) });
    await expect(offline).rejects.toThrow(/nothing is fetched, and `owner\/small-model` is not in/);
    const index = { weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' } };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    writeFileSync(join(folder, 'model-00001-of-00002.safetensors'), '');
    await expect(fetchModel(model, { environment: environment({ HF_HUB_OFFLINE: '1' }) })).rejects.toThrow(HubError);
    writeFileSync(join(folder, 'model-00002-of-00002.safetensors'), '');
    const whole = await fetchModel(model, { environment: environment({ HF_HUB_OFFLINE: '1' }) });
    expect(whole.files).toContain('model-00002-of-00002.safetensors');
  });

  test('copies the files where HF_HUB_DISABLE_SYMLINKS is set', async () => {
    const { folder } = await fetched({ environment: environment({ HF_HUB_DISABLE_SYMLINKS: '1' }) });
    expect(lstatSync(join(folder, 'model.safetensors')).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
  });

  test('sends no token where HF_HUB_DISABLE_IMPLICIT_TOKEN is set', async () => {
    await fetched({ environment: environment({ HF_TOKEN: 'hf_x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }) });
    expect(new Set(hub.tokens)).toEqual(new Set([undefined]));
  });

  test('waits as long as HF_HUB_ETAG_TIMEOUT says', async () => {
    hub.faults = { silent: true };
    const began = performance.now();
    await expect(fetchModel(model, { environment: environment({ HF_HUB_ETAG_TIMEOUT: '1' }) })).rejects.toThrow(
      /in time/,
    );
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test('resumes where a connection broke', async () => {
    hub.faults = { cutAfter: 100_000, cuts: 2 };
    const { folder } = await fetched();
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(hub.asked.filter((one) => one.startsWith('model'))).toEqual([
      'model.safetensors 0',
      'model.safetensors 100000',
      'model.safetensors 200000',
    ]);
  });

  test('resumes in a later call, also from a hub that sends only whole files', async () => {
    hub.faults = { cutAfter: 1_000, cuts: 1_000 };
    await fetched({ signal: AbortSignal.timeout(600) }).catch(() => undefined);
    expect(existsSync(join(repository(), 'refs', 'main'))).toBe(false);
    expect(readdirSync(join(repository(), 'blobs')).some((name) => name.endsWith('.incomplete'))).toBe(true);
    hub.faults = { ignoresRanges: true };
    const { folder } = await fetched();
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
  });

  test('removes a file that arrived damaged', async () => {
    hub.faults = { damaged: true };
    await expect(fetched()).rejects.toThrow(/damaged/);
    expect(readdirSync(join(repository(), 'blobs'))).toEqual([]);
    expect(() => modelFolder('owner/small-model', environment())).toThrow(/exit-rl fetch owner\/small-model/);
  });

  test.each([
    [401, /HF_TOKEN/],
    [403, /terms/],
    [404, /check the name/],
    [503, /try again later/],
  ])('explains status %i', async (status, message) => {
    hub.faults = { status };
    const error = await fetched().catch((reason: unknown) => reason);
    expect(HubError.isInstance(error)).toBe(true);
    expect(String(error)).toMatch(message);
  });

  test('reports within its patience that the hub does not answer, and the fix', async () => {
    hub.faults = { silent: true };
    const start = performance.now();
    await expect(fetched({ patienceMilliseconds: 300 })).rejects.toThrow(/no answer in time.*copy its folder/s);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('reports that there is no network', async () => {
    const nowhere = environment({ HF_ENDPOINT: 'http://127.0.0.1:9' });
    await expect(fetched({ environment: nowhere })).rejects.toThrow(/cannot be reached .*HF_ENDPOINT for a mirror/s);
  });

  test('sends no request when HF_HUB_OFFLINE is set', async () => {
    await expect(fetched({ environment: environment({ HF_HUB_OFFLINE: '1' }) })).rejects.toThrow(/HF_HUB_OFFLINE/);
    expect(hub.tokens).toEqual([]);
  });

  test('sends the token of the environment, else that of the file', async () => {
    writeFileSync(join(home, 'token'), 'from-file\n');
    await fetched({ include: ['config.json'] });
    expect(new Set(hub.tokens)).toEqual(new Set(['Bearer from-file']));
    hub.tokens.length = 0;
    await fetched({ include: ['README.md'], environment: environment({ HF_TOKEN: 'hf_from_environment' }) });
    expect(new Set(hub.tokens)).toEqual(new Set(['Bearer hf_from_environment']));
  });

  test('fetches the files asked for, and no pickle', async () => {
    expect((await fetched({ include: ['*.json'] })).files).toEqual(['config.json', 'tokenizer.json']);
    await expect(fetched({ include: ['*.bin'] })).rejects.toThrow(UsageError);
    await expect(fetched({ include: ['nothing*'] })).rejects.toThrow(/nothing/);
  });
});

test('refuses a listing that leaves the folder', async () => {
  await hub.close();
  hub = await startHub(model.name, new Map([['../../evil.json', Buffer.from('x')]]));
  await expect(fetched()).rejects.toThrow(/outside its folder/);
});

describe('a listing that is hostile', () => {
  const page = (): string => `${hub.url}/api/models/${model.name}/tree/${commit}?cursor=x`;
  const folders = JSON.stringify(Array.from({ length: 1000 }, (_, at) => ({ type: 'directory', path: `d${at}` })));

  test.each([
    ['pages without end', '[]', /more than 100 pages/],
    ['folders without end', folders, /more than 10000 files and folders/],
  ])('is refused: %s', async (_name, listing, message) => {
    hub.faults = { listing, nextPage: page() };
    await expect(fetched()).rejects.toThrow(message);
  });

  test('is refused when it does not end', async () => {
    hub.faults = { listing: `["${'x'.repeat(20 * 2 ** 20)}"]` };
    await expect(fetched({ patienceMilliseconds: 20_000 })).rejects.toThrow(/more than 16777216 bytes/);
  });

  test.each(['<html>', '{"error":"x"}', '[null]', '7'])('is refused where it is not a listing: %s', async (listing) => {
    hub.faults = { listing };
    await expect(fetched()).rejects.toThrow(/did not return a file listing for/);
  });

  test('sends the token to the hub alone', async () => {
    const other = await startHub(model.name, new Map());
    try {
      const path = `/api/models/${model.name}/tree/${commit}`;
      hub.faults = { nextPage: `${other.url}${path}` };
      await fetched({ environment: environment({ HF_TOKEN: 'hf_secret' }), include: ['config.json'] });
      expect(other.tokens).toEqual([undefined]);
      expect(new Set(hub.tokens)).toEqual(new Set(['Bearer hf_secret']));
    } finally {
      await other.close();
    }
  });
});

test('reports a cache that cannot be written', async () => {
  writeFileSync(join(home, 'hub'), 'a file where the folder goes');
  await expect(fetched()).rejects.toThrow(/cannot be written/);
});

test('refuses a model with pickles only', async () => {
  await hub.close();
  hub = await startHub(
    model.name,
    new Map([
      ['pytorch_model.bin', Buffer.from('x')],
      ['config.json', Buffer.from('{}')],
    ]),
  );
  await expect(fetched()).rejects.toThrow(/pickles only/);
});

test.each([
  ['*.json', 'a/b.json', true],
  ['a/*.json', 'a/b.json', true],
  ['a/*.json', 'a/c/b.json', false],
  ['a/**', 'a/c/b.json', true],
  ['mo?el*', 'model-1.x', true],
  ['*.json', 'xjson', false],
])('pattern %s on %s', (glob, path, matches) => {
  expect(globPattern(glob).test(path)).toBe(matches);
});

describe('the command', () => {
  test('prints the folder, and other commands name it for a missing model', async () => {
    const missing = await runCli(['generate', '--model', model.name, '--prompt', 'x'], { env: environment() });
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toContain('exit-rl fetch owner/small-model');
    const { code, stdout } = await runCli(['fetch', model.name, '--json'], { env: environment() });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      model: model.name,
      commit,
      folder: join(repository(), 'snapshots', commit),
    });
  });

  test.each([['no-owner'], ['../x/y'], ['a/b/c']])('refuses %s as wrong use', async (name) => {
    expect((await runCli(['fetch', name], { env: environment() })).code).toBe(2);
  });
});
