/** The cases that the rows of test/world/environment do not show: empty variables, wrong numbers, and the file of the token. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HubError } from '../../src/errors.js';
import { accessToken, cacheFolder, hubPatience } from '../../src/hub/environment.js';

test('an empty variable counts as absent: Python would take the working directory', () => {
  const empty = { HF_HOME: '', HF_HUB_CACHE: '', XDG_CACHE_HOME: '', HOME: '/home/ada' };
  expect(cacheFolder(empty)).toBe('/home/ada/.cache/huggingface/hub');
});

test('without HOME the system names the home folder', () => {
  expect(cacheFolder({})).toBe(join(homedir(), '.cache/huggingface/hub'));
});

test('the file of `hf auth login` is read where HF_HOME leads, with `~`', () => {
  const home = mkdtempSync(join(tmpdir(), 'exit-rl-home-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, 'models'));
  writeFileSync(join(home, 'models', 'token'), 'hf_stored\n');
  expect(accessToken({ HOME: home, HF_HOME: '~/models' })).toBe('hf_stored');
});

test.each(['ten', '1.5', '-1'])('HF_HUB_ETAG_TIMEOUT=%s is refused by name', (value) => {
  const read = (): unknown => hubPatience({ HF_HUB_ETAG_TIMEOUT: value });
  expect(read).toThrow(HubError);
  expect(read).toThrow(/HF_HUB_ETAG_TIMEOUT is a whole number of seconds/);
});
