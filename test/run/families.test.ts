/** Where a task's name leads: built-in, a module's path, an installed package, or an error that says what there is. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.js';
import { findFamily } from '../../src/run/families.js';

let folder = '';
const before = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-families-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

const family = `export default {
  name: 'packaged', turns: 1, tasks: () => [{ id: 'one', data: null }], prompt: () => 'q',
  verify: () => ({ quality: 1, wellFormed: true }),
};`;

test('an installed package is a task by its name', async () => {
  const installed = join(folder, 'node_modules/a-task');
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(installed, 'package.json'), '{"name":"a-task","type":"module","exports":"./index.js"}');
  writeFileSync(join(installed, 'index.js'), family);
  expect((await findFamily('a-task')).name).toBe('packaged');
});

test('a path is a module, in TypeScript as well', async () => {
  writeFileSync(join(folder, 'mine.ts'), family.replace('prompt: ()', 'prompt: (): string'));
  expect((await findFamily('./mine.ts')).name).toBe('packaged');
});

test('an unknown name is an error with what there is', async () => {
  await expect(findFamily('code-braker')).rejects.toThrow(/no task `code-braker`.*did you mean `code-breaker`/s);
  await expect(findFamily('no-such-package')).rejects.toBeInstanceOf(ConfigError);
});

test('a module without a whole family is refused with the missing field', async () => {
  writeFileSync(join(folder, 'old.ts'), family.replace('verify:', 'judge:'));
  await expect(findFamily('./old.ts')).rejects.toThrow(/old\.ts: 1 problem\n.*`judge` is now `verify`/s);
});

test('the name of a family that only a script has leads to the option `family`', async () => {
  await expect(findFamily('mine')).rejects.toThrow(/no task `mine`.*passes its own family as `family`/s);
});
