/** The code of reward functions, verifiers and tasks is a part of a run: what counts as a change of it, and what it does. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changedCode, identifyCode } from '../../src/run/code-identity.js';
import { trainRun } from '../../src/run/train-run.js';
import { missingEngine, runCli, tinyModel } from '../cli/support/cli.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'exit-rl-code-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const rewards = (file: string) => ({ rewards: [{ file }] }) as unknown as Parameters<typeof identifyCode>[0];
const namesOf = async (file: string): Promise<string[]> =>
  Object.keys((await identifyCode(rewards(file))).rewards ?? {});

test('the modules that a module imports belong to it, in every spelling', async () => {
  const file = write(
    'rewards.ts',
    `import a from './a.js';
import './b';
export * from './sub';
export { d } from "./d.mjs";
const e = await import('./e.ts');
const f = require('./f.cjs');
import type { T } from './types.js';
import data from './data.json' with { type: 'json' };
import { readFileSync } from 'node:fs';
import { join } from 'path';`,
  );
  const names = ['a.ts', 'b.mjs', 'sub/index.ts', 'd.mts', 'e.ts', 'f.cjs', 'types.ts', 'data.json'];
  for (const name of names) write(name, `// ${name}`);
  write('a.ts', "import './deep/g.js'; import './rewards.js';");
  write('deep/g.ts', '');
  write('unused.ts', '');
  expect(await namesOf(file)).toEqual([...names, 'deep/g.ts', 'rewards.ts'].sort());
});

test('packages count by name and version, and exit-rl itself does not', async () => {
  const file = write('src/rewards.ts', "import 'mathy/deep'; import '@scope/tool'; import 'exit-rl'; import 'absent';");
  for (const [name, version] of [
    ['mathy', '1.2.3'],
    ['@scope/tool', '4.5.6'],
    ['exit-rl', '0.1.0'],
  ])
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version }));
  const { rewards: code } = await identifyCode(rewards(file));
  expect(code).toMatchObject({ mathy: '1.2.3', '@scope/tool': '4.5.6' });
  expect(Object.keys(code ?? {})).toEqual(['@scope/tool', 'mathy', 'rewards.ts']);
});

test('a folder that moves, and a link to it, is the same code', async () => {
  const file = write('one/rewards.ts', "import './helper';");
  write('one/helper.ts', '');
  const before = await identifyCode(rewards(file));
  cpSync(join(root, 'one'), join(root, 'two'), { recursive: true });
  symlinkSync(join(root, 'one'), join(root, 'linked'));
  for (const folder of ['two', 'linked'])
    expect(await identifyCode(rewards(join(root, folder, 'rewards.ts')))).toEqual(before);
});

test('a task is a module, or an installed package by its version', async () => {
  const task = write('task.ts', '');
  expect(await identifyCode({ task })).toEqual({ task: { 'task.ts': expect.stringMatching(/^[0-9a-f]{64}$/) } });
  expect(await identifyCode({ task: 'code-breaker' })).toEqual({});
  expect(await identifyCode({ task: join(root, 'none.ts') })).toEqual({});
});

test('a change names the part, the file and both hashes; a part that one side lacks is no change', () => {
  const before = { rewards: { 'a.ts': 'x'.repeat(64), mathy: '1.0.0' }, task: { 't.ts': 'y' } };
  const after = { rewards: { 'a.ts': 'z'.repeat(64), mathy: '1.0.1', 'b.ts': 'n' } };
  expect(changedCode(before, after)).toEqual([
    { field: 'rewards', before: 'a.ts xxxxxxxxxxxx', after: 'zzzzzzzzzzzz' },
    { field: 'rewards', before: 'mathy 1.0.0', after: '1.0.1' },
    { field: 'rewards', before: 'b.ts absent', after: 'n' },
  ]);
  expect(changedCode(undefined, after)).toEqual([]);
});

describe.skipIf(missingEngine !== undefined)(`a resumed run${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('is refused when the code of its rewards changed, by the name of the file, until that is allowed', async () => {
    const file = write(
      'rewards.ts',
      "import { one } from './helper.ts';\nexport const varied = ({ texts }) => texts.map((_, at) => one * (at % 2));",
    );
    write('helper.ts', 'export const one = 1;');
    const path = join(root, 'run');
    const sizes = {
      startsPerBatch: 2,
      groupSize: 2,
      sampling: { maxNewTokens: 6 },
      threads: 1,
      device: 'cpu',
      overlongFilter: false,
    } as const;
    const config = { task: 'code-breaker', model: tinyModel, method: 'grpo', updates: 1, ...sizes } as const;
    const silent = { evaluate: false, report: false, warn: () => {} };
    await trainRun({ ...config, rewards: [file] }, { out: path, ...silent });
    const again = ['train', '--resume', path, '--updates', '2', '--allow-change', 'updates', '--json'];
    write('helper.ts', 'export const one = 0.5;');
    const { code, stderr } = await runCli(again);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /changed since the checkpoint: rewards \(helper\.ts [0-9a-f]{12} -> [0-9a-f]{12}\);.*--allow-change rewards"/,
    );
    const allowed = await runCli([...again, '--allow-change', 'rewards']);
    expect(allowed).toMatchObject({ code: 0 });
    // The new code is that of the next checkpoint.
    const third = [...again.map((word) => (word === '2' ? '3' : word))];
    expect(await runCli(third)).toMatchObject({ code: 0 });
  }, 60_000);

  test('is refused when the code of its task changed', async () => {
    const family = (
      text: string,
    ): string => `export default { name: 'mine', turns: 1, tasks: () => [{ id: 'a', data: {} }],
      prompt: () => '<bos> solve a1x', verify: (_task, _history, answer) => ({ quality: ((answer.charCodeAt(1) || 0) % 4) / 4 * ${text}, wellFormed: true }) };`;
    const task = write('task.mjs', family('0.5'));
    const path = join(root, 'run');
    const flags = ['--task', task, '--model', tinyModel, '--method', 'grpo', '--sampling.maxNewTokens', '8'];
    const sizes = ['--updates', '1', '--startsPerBatch', '1', '--groupSize', '8', '--threads', '1', '--out', path];
    flags.push('--overlongFilter', 'false');
    expect(await runCli(['train', ...flags, ...sizes])).toMatchObject({ code: 0 });
    write('task.mjs', family('0.25'));
    const again = ['train', '--resume', path, '--updates', '2', '--allow-change', 'updates'];
    expect((await runCli(again)).stderr).toMatch(/task \(task\.mjs .*--allow-change task/);
    expect(await runCli([...again, '--allow-change', 'task'])).toMatchObject({ code: 0 });
  }, 60_000);
});
