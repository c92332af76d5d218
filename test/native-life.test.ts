/** However a process ends while the engine works, it ends with the right exit code and does not hang. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const library = join(root, 'dist/index.js');

/** Loads a policy and starts a generation that takes many seconds; `then` runs while it is in flight. */
const inFlight = (then: string): string => `
  import { LocalPolicy } from '${library}';
  const policy = await LocalPolicy.load('${join(root, 'test/golden/models/llama-tied')}', { device: 'cpu', threads: 1 });
  const sampling = { temperature: 1, maxNewTokens: 24 };
  const request = { prompt: [1, 2, 3], n: 60_000, sampling, seed: 1, requestId: 1 };
  const generating = policy.generate(request);
  console.log('in flight');
  setTimeout(() => { ${then} }, 100);
`;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly secondsAfterStart: number;
}

/** Runs a module; `interrupt` is sent once the work is in flight. */
function runModule(script: string, interrupt?: NodeJS.Signals): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: root });
  let [stdout, stderr, started] = ['', '', 0];
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
    if (started > 0 || !stdout.includes('in flight')) return;
    started = performance.now();
    if (interrupt) setTimeout(() => child.kill(interrupt), 100);
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr, secondsAfterStart: (performance.now() - started) / 1000 });
    });
  });
}

/** A clean end: this code, no crash report, and long before the generation would have been done. */
async function expectExit(script: string, code: number, interrupt?: NodeJS.Signals): Promise<Ended> {
  const ended = await runModule(script, interrupt);
  expect(ended, ended.stderr).toMatchObject({ code, signal: null });
  expect(ended.stderr).not.toMatch(/terminate called|core dumped|panicked|Segmentation/);
  expect(ended.secondsAfterStart).toBeLessThan(10);
  return ended;
}

test('the addon is built', () => {
  expect(existsSync(library)).toBe(true);
});

describe('a process with native work', () => {
  test('ends normally with the policy open', async () => {
    const script = `
      import { LocalPolicy } from '${library}';
      const policy = await LocalPolicy.load('${join(root, 'test/golden/models/llama-tied')}', { device: 'cpu' });
      console.log('in flight', policy.version);`;
    await expectExit(script, 0);
  });

  test('ends normally after rendering a template, with the policy open', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'exit-rl-life-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(root, 'test/golden/models/qwen2'), folder, { recursive: true });
    writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages[0].content }}');
    const script = `
      import { LocalPolicy } from '${library}';
      const policy = await LocalPolicy.load('${folder}', { device: 'cpu' });
      console.log('in flight', await policy.renderMessages([{ role: 'user', content: 'rendered' }]));`;
    const { stdout } = await expectExit(script, 0);
    expect(stdout).toContain('rendered');
  });

  test('ends by process.exit with a stream in flight', async () => {
    const script = inFlight('process.exit(7)').replace(
      'policy.generate(request);',
      '(async () => { for await (const piece of policy.stream(request)) globalThis.last = piece; })();',
    );
    await expectExit(script, 7);
  });

  test('ends by process.exit with work in flight', async () => {
    await expectExit(inFlight('process.exit(7)'), 7);
  });

  test('ends by an uncaught throw', async () => {
    const { stderr } = await expectExit(inFlight("throw new Error('my own mistake')"), 1);
    expect(stderr).toContain('my own mistake');
  });

  test('ends by an unhandled rejection', async () => {
    await expectExit(inFlight("Promise.reject(new Error('nobody listens'))"), 1);
  });

  test('ends by SIGINT and a handler that exits', async () => {
    await expectExit(`${inFlight('')} process.on('SIGINT', () => process.exit(130));`, 130, 'SIGINT');
  });

  test('ends by SIGTERM and a handler that aborts and closes', async () => {
    const handler = `process.on('SIGTERM', () => { process.exitCode = 143; controller.abort(); });`;
    const script = `const controller = new AbortController();
      ${inFlight('').replace('requestId: 1 }', 'requestId: 1, signal: controller.signal }')} ${handler}
      await generating.catch((error) => console.log(error.name));
      await policy.close();`;
    const { stdout } = await expectExit(script, 143, 'SIGTERM');
    expect(stdout).toContain('CancelledError');
  }, 20_000);

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('ends by a plain %s', async (signal) => {
    const ended = await runModule(inFlight(''), signal);
    expect(ended.signal).toBe(signal);
    expect(ended.secondsAfterStart).toBeLessThan(10);
  });
});

describe('worker threads', () => {
  const worker = `
    const { Worker } = await import('node:worker_threads');
    const code = \`import('${library}').then(async ({ LocalPolicy }) => {
      const policy = await LocalPolicy.load('${join(root, 'test/golden/models/llama-tied')}', { device: 'cpu', threads: 1 });
      require('node:worker_threads').parentPort.postMessage('loaded');
      const sampling = { temperature: 1, maxNewTokens: 24 };
      await policy.generate({ prompt: [1, 2], n: WIDTH, sampling, seed: 1, requestId: 1 });
      await policy.close();
    })\`;
    const start = (width) => new Worker(code.replace('WIDTH', width), { eval: true, execArgv: [] });`;

  test('that finish leave the engine usable in the main thread', async () => {
    const script = `${worker}
      await Promise.all([1, 2, 3].map(() => new Promise((resolve) => start('4').on('exit', resolve))));
      ${inFlight('policy.close(); process.exit(0)')}`;
    await expectExit(script, 0);
  });

  test('that are terminated with work in flight do not hang the process', async () => {
    const script = `${worker}
      const busy = start('60_000');
      await new Promise((resolve) => busy.once('message', resolve));
      console.log('in flight');
      await new Promise((resolve) => setTimeout(resolve, 100));
      await busy.terminate();
      process.exit(5);`;
    await expectExit(script, 5);
  });
});
