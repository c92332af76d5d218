/** The surroundings of a command that fail: its working directory, and what it writes to. One line, the right exit code. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, greedyPrompt, missingEngine, program, prompt, tinyModel } from './support/cli.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'exit-rl-around-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const command = (args: readonly string[]): string => [process.execPath, program, ...args].map(quoted).join(' ');

/** Runs a line of shell. */
function shell(script: string, env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn('bash', ['-c', script], { cwd: root, env: { ...process.env, NODE_OPTIONS: '', ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    stdout += data;
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

const commands: readonly (readonly string[])[] = [
  ['demo', '--quick'],
  ['train', 'code-breaker', '--updates', '1'],
  ['train', '--resume', 'run'],
  ['evaluate', '--model', tinyModel, '--task', 'code-breaker'],
  ['generate', '--model', tinyModel, '--prompt', prompt],
  ['score', '--model', tinyModel, '--input', '-'],
  ['embed', '--input', '-'],
  ['merge', '--model', 'a', '--adapter', 'b', '--out', 'c'],
  ['fetch', 'owner/name'],
  ['doctor'],
  ['report', 'run'],
];

test.each(commands.map((args) => [args.join(' ').slice(0, 40), args] as const))(
  'in a deleted working directory: %s',
  async (_name, args) => {
    mkdirSync(join(root, 'gone'));
    const { code, stdout, stderr } = await shell(`cd gone && rmdir ../gone && ${command(args)} </dev/null`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'error: the working directory cannot be used: it was deleted; change to a folder that exists\n',
    );
  },
);

const small = ['--updates', '3', '--startsPerBatch', '2', '--groupSize', '4', '--threads', '1'];

describe.skipIf(!existsSync('/dev/full'))('standard output on a full device', () => {
  const full = 'error: standard output cannot be written (ENOSPC): its disk is full: free space\n';

  test.each([['--help'], ['train', '--help'], ['doctor', '--json']].map((args) => [args.join(' '), args] as const))(
    '%s',
    async (_name, args) => {
      expect(await shell(`${command(args)} >/dev/full`)).toEqual({ code: 1, stdout: '', stderr: full });
    },
  );

  test('and standard error as well ends with 1', async () => {
    expect((await shell(`${command(['--help'])} >/dev/full 2>&1`)).code).toBe(1);
  });

  test.skipIf(missingEngine !== undefined)('ends generate and score after one line', async () => {
    writeFileSync(join(root, 'prompts'), `${JSON.stringify({ prompt })}\n`.repeat(3));
    writeFileSync(join(root, 'lines'), `${JSON.stringify({ prompt, completion: ' a1x' })}\n`.repeat(3));
    for (const args of [
      ['generate', '--model', tinyModel, ...greedyPrompt, '--threads', '1'],
      ['generate', '--model', tinyModel, '--input', 'prompts', '--max-new-tokens', '4', '--threads', '1'],
      ['score', '--model', tinyModel, '--input', 'lines', '--threads', '1'],
      ['train', 'code-breaker', '--dry-run'],
    ])
      expect(await shell(`${command(args)} >/dev/full`)).toEqual({ code: 1, stdout: '', stderr: full });
  });

  test.skipIf(missingEngine !== undefined).each([[['--json']], [[]]])(
    'ends train with a checkpoint of what was done: %j',
    async (flags) => {
      const args = ['train', 'code-breaker', ...small, '--out', 'run', ...flags];
      const { code, stderr } = await shell(`${command(args)} >/dev/full`);
      expect(code).toBe(1);
      expect(stderr).toContain(full);
      expect(stderr).toMatch(/stopped after update \d; continue with: exit-rl train --resume run\n$/);
      expect(readdirSync(join(root, 'run')).some((name) => name.startsWith('checkpoint-'))).toBe(true);
      expect(readdirSync(join(root, 'run'))).not.toContain('run.lock');
    },
  );
});

test('a file that takes a part of a line is an error, not a short file with exit code 0', async () => {
  // 1024 bytes fit: the first write is longer, and the system takes a part of it without an error.
  const { code, stderr } = await shell(`ulimit -f 1; ${command(['--help'])} >out`);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'error: standard output cannot be written (EFBIG): the file is too large for its disk or for `ulimit -f`\n',
  });
  expect(readFileSync(join(root, 'out'), 'utf8').length).toBe(1024);
});

test('a file takes everything in order', async () => {
  const piped = await shell(command(['train', '--help']));
  await shell(`${command(['train', '--help'])} >out`);
  expect(readFileSync(join(root, 'out'), 'utf8')).toBe(piped.stdout);
});

test.skipIf(missingEngine !== undefined)('a reader that leaves early ends the command quietly', async () => {
  writeFileSync(join(root, 'prompts'), `${JSON.stringify({ prompt })}\n`.repeat(400));
  const args = ['generate', '--model', tinyModel, '--input', 'prompts', '--max-new-tokens', '4', '--threads', '1'];
  const { code, stdout, stderr } = await shell(`${command(args)} | head -1; echo "\${PIPESTATUS[0]}"`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n').at(-2)).toBe('0');
});

test.skipIf(missingEngine !== undefined)('a closed standard error loses messages only', async () => {
  const args = ['train', 'code-breaker', ...small, '--out', 'run', '--json', '--logCompletions', '1'];
  const { code, stdout } = await shell(`${command(args)} 2>/dev/full`);
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(3);
});

describe.skipIf(missingEngine !== undefined)('files of results', () => {
  test('evaluate --out on a full device is an error that names the file', async () => {
    const few = ['--limit', '1', '--draws', '1', '--iterations', '0', '--threads', '1'];
    const args = ['evaluate', '--model', tinyModel, '--task', 'code-breaker', ...few, '--out', '/dev/full'];
    const { code, stderr } = await shell(command(args));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: \/dev\/full: write failed \(ENOSPC\); the disk is full/);
  });
});
