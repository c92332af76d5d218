/** A run that is asked to stop: each signal saves, so does the end of npx, and a second signal leaves no lock behind. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { missingEngine, program, start } from './support/cli.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'exit-rl-stop-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const train = (path: string): string[] => [
  ...['train', 'code-breaker', '--updates', '400', '--startsPerBatch', '2', '--groupSize', '4', '--seed', '5'],
  ...['--threads', '1', '--out', path, '--json'],
];
const lines = (text: string): number => text.split('\n').length - 1;
const checkpoints = (path: string): string[] => readdirSync(path).filter((name) => /^checkpoint-\d+$/.test(name));

async function until(happened: () => boolean): Promise<void> {
  for (let waited = 0; !happened(); waited += 50) {
    if (waited > 30_000) throw new Error('it did not happen within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const metricsOf = (path: string): number => {
  try {
    return lines(readFileSync(join(path, 'metrics.jsonl'), 'utf8'));
  } catch {
    return 0;
  }
};

describe.skipIf(missingEngine !== undefined)(`train${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test.each([
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
  ] as const)(
    '%s saves, says how to go on, and ends with %i',
    async (signal, expected) => {
      const path = join(root, 'run');
      let sent = false;
      const onStdout = (text: string, child: { kill(name: NodeJS.Signals): boolean }): void => {
        if (!sent && lines(text) >= 2) sent = child.kill(signal);
      };
      const { code, stderr } = await start(train(path), { onStdout }).ended;
      expect({ code, stderr }).toMatchObject({ code: expected, stderr: expect.stringContaining(`--resume ${path}`) });
      expect(checkpoints(path)).toHaveLength(1);
    },
    60_000,
  );

  test('a second signal leaves no lock behind', async () => {
    const path = join(root, 'run');
    // The verifier never answers, so that the first signal alone ends nothing.
    const task = join(root, 'task.mjs');
    writeFileSync(
      task,
      `export default { name: 'still', turns: 1, tasks: () => [{ id: 'a', data: {} }], prompt: () => '<bos> solve a1x',
        verify: () => { process.stderr.write('verifying\\n'); for (let at = Date.now(); Date.now() < at + 3000; ); return { quality: 0.5, wellFormed: true }; } };`,
    );
    const flags = ['--task', task, '--model', `${import.meta.dirname}/../../models/tiny`, '--method', 'grpo'];
    const { child, ended } = start(['train', ...flags, '--sampling.maxNewTokens', '2', '--out', path, '--json']);
    onTestFinished(() => void child.kill('SIGKILL'));
    await until(() => readdirSync(root).includes('run') && readdirSync(path).includes('run.lock'));
    await new Promise((resolve) => child.stderr?.once('data', resolve));
    child.kill('SIGINT');
    child.kill('SIGTERM');
    const { code } = await ended;
    expect(code).toBeGreaterThan(128);
    expect(readdirSync(path)).not.toContain('run.lock');
  }, 60_000);

  test('started through npx it stops and saves when npx is killed', async () => {
    const path = join(root, 'run');
    // As npx does: its process waits for a shell, which waits for the command.
    const npx = `
      const { spawn } = require('node:child_process');
      const words = ${JSON.stringify([process.execPath, program, ...train(path)])};
      spawn('sh', ['-c', words.map((word) => "'" + word + "'").join(' ') + '; true'], { stdio: 'inherit' });
      setInterval(() => {}, 1000);`;
    const env = { ...process.env, npm_command: 'exec', NODE_OPTIONS: '' };
    const parent = spawn(process.execPath, ['-e', npx], { env, stdio: 'ignore' });
    onTestFinished(() => void parent.kill('SIGKILL'));
    await until(() => metricsOf(path) >= 2);
    const { pid } = JSON.parse(readFileSync(join(path, 'run.lock'), 'utf8')) as { pid: number };
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid));
    expect(checkpoints(path)).toHaveLength(1);
    expect(readdirSync(path)).not.toContain('run.lock');
  }, 60_000);

  test('a run whose parent ends goes on where nobody waits for it', async () => {
    const path = join(root, 'run');
    const script = `
      const { spawn } = require('node:child_process');
      spawn(process.execPath, ${JSON.stringify([program, ...train(path)])}, { stdio: 'ignore', detached: true }).unref();`;
    const env = { ...process.env, npm_command: '', NODE_OPTIONS: '' };
    const parent = spawn(process.execPath, ['-e', script], { env, stdio: 'ignore' });
    await new Promise((resolve) => parent.once('exit', resolve));
    await until(() => metricsOf(path) >= 1);
    const { pid } = JSON.parse(readFileSync(join(path, 'run.lock'), 'utf8')) as { pid: number };
    onTestFinished(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
    const before = metricsOf(path);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await until(() => metricsOf(path) > before);
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid));
    expect(checkpoints(path)).toHaveLength(1);
  }, 60_000);
});

/** Runs a command in a terminal of its own, which is then closed. */
const inTerminal = `
import os, pty, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN) if sys.argv[1] == 'nohup' else None
    os.execvp('sh', ['sh', '-c', sys.argv[2]])
until = time.time() + 30
while time.time() < until and not (os.path.exists(sys.argv[3]) and open(sys.argv[3]).read().count('\\n') >= 1):
    time.sleep(0.05)
os.close(terminal)
`;

const hasPython = (await runPython('pass')) === 0;

function runPython(source: string, ...args: string[]): Promise<number | null> {
  const child = spawn('python3', ['-c', source, ...args], { stdio: 'ignore' });
  return new Promise((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', resolve);
  });
}

describe.skipIf(missingEngine !== undefined || !hasPython)('a terminal that is closed', () => {
  const runIn = async (kind: string, redirection: string): Promise<number> => {
    const path = join(root, 'run');
    const words = [process.execPath, program, ...train(path)].map((word) => `'${word}'`).join(' ');
    await runPython(inTerminal, kind, `${words} ${redirection} & wait`, join(path, 'metrics.jsonl'));
    return (JSON.parse(readFileSync(join(path, 'run.lock'), 'utf8')) as { pid: number }).pid;
  };

  test('stops and saves a run that writes to it', async () => {
    const path = join(root, 'run');
    const words = [process.execPath, program, ...train(path)].map((word) => `'${word}'`).join(' ');
    await runPython(inTerminal, 'plain', `exec ${words}`, join(path, 'metrics.jsonl'));
    await until(() => !readdirSync(path).includes('run.lock'));
    expect(checkpoints(path)).toHaveLength(1);
  }, 60_000);

  test('does not stop a run that reads and writes elsewhere, as under nohup', async () => {
    const pid = await runIn('nohup', `</dev/null >${join(root, 'log')} 2>&1`);
    onTestFinished(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
    process.kill(pid, 'SIGHUP');
    const before = metricsOf(join(root, 'run'));
    await until(() => metricsOf(join(root, 'run')) > before + 1);
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid));
    expect(checkpoints(join(root, 'run'))).toHaveLength(1);
  }, 60_000);
});
