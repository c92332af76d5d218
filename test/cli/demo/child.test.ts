import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChild } from '../../../src/cli/demo/child.js';
import { CancelledError } from '../../../src/errors.js';

const never = new AbortController().signal;
const run = (code: string, onLine: (value: object) => void = () => {}, signal = never) =>
  runChild({ arguments: ['-e', code], onLine, signal });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-child-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a child process', () => {
  test('forwards its JSON lines, including a last one without a line end, and nothing else', async () => {
    const seen: object[] = [];
    await run(`console.log('{"update":1}'); console.log('words'); process.stdout.write('{"update":2}')`, (value) =>
      seen.push(value),
    );
    expect(seen).toEqual([{ update: 1 }, { update: 2 }]);
  });

  test('that fails is reported with its last error lines', async () => {
    const failing = run(`for (let i = 0; i < 30; i++) console.error('line ' + i); process.exit(3)`);
    const error = await failing.catch((caught: Error) => caught.message);
    expect(error).toContain('exit code 3');
    expect(error).toContain('line 29');
    expect(error).not.toContain('line 9\n');
  });

  test('receives one SIGINT and the time to save', async () => {
    const saved = join(folder, 'saved');
    const controller = new AbortController();
    const code = `
      let interrupts = 0;
      const alive = setInterval(() => {}, 1000);
      process.on('SIGINT', () => {
        interrupts += 1;
        setTimeout(() => { require('fs').writeFileSync(${JSON.stringify(saved)}, String(interrupts)); process.exit(130); }, 200);
      });
      console.log('{"ready":true}');`;
    await expect(run(code, () => controller.abort(), controller.signal)).rejects.toSatisfy((error) =>
      CancelledError.isInstance(error),
    );
    expect(existsSync(saved)).toBe(true);
  });

  test('is not started after the signal', async () => {
    const saved = join(folder, 'saved');
    await expect(
      run(`require('fs').writeFileSync(${JSON.stringify(saved)}, '')`, () => {}, AbortSignal.abort()),
    ).rejects.toSatisfy((error) => CancelledError.isInstance(error));
    expect(existsSync(saved)).toBe(false);
  });
});
