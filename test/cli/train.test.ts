/** Trains as a user does: killed, interrupted, with a closed output, resumed. Needs the addon and the shipped model. */
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lasting } from '../run/support/lasting.js';
import { missingEngine, runCli, start } from './support/cli.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-train-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const updates = 24;
const settings = [
  ...['--updates', String(updates), '--startsPerBatch', '4', '--groupSize', '4', '--seed', '5'],
  ...['--buffer.minimumFill', '8', '--buffer.capacity', '24', '--checkpoint.every', '6', '--traces', 'all'],
];
const begin = (path: string): string[] => ['train', 'code-breaker', ...settings, '--out', path, '--json'];
const resume = (path: string): string[] => ['train', '--resume', path, '--json'];

const lines = (text: string): number => text.split('\n').length - 1;

describe.skipIf(missingEngine !== undefined)(
  `training as a process${missingEngine ? ` (${missingEngine})` : ''}`,
  () => {
    const twin = (): string => join(root, 'twin');
    beforeAll(async () => {
      const { code, stdout, stderr } = await runCli(begin(twin()));
      // The bonus is mostly its bound in some update, and the run says so once.
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^warning: .*diversity\.clamp.*\n$/) });
      expect(lines(stdout)).toBe(updates);
    }, 120_000);

    test('the run folder holds its documented files and two checkpoints', async () => {
      const names = await readdir(twin());
      const expected = ['checkpoint-18', 'checkpoint-24', 'config.json', 'metrics.jsonl', 'traces.jsonl'];
      expect(names.sort()).toEqual(expected);
      const checkpoint = await readdir(join(twin(), 'checkpoint-24'));
      expect(checkpoint).toEqual(
        expect.arrayContaining([
          'config.json',
          'manifest.json',
          'model.safetensors',
          'state.json',
          'tokenizer.json',
          'training.safetensors',
        ]),
      );
    });

    test('a run that is killed at any moment and resumed equals an uninterrupted run byte for byte', async () => {
      for (const moment of [2, 9, 13]) {
        const path = join(root, `killed-${moment}`);
        const onStdout = (text: string, child: { kill(signal: 'SIGKILL'): unknown }): void => {
          if (lines(text) >= moment) child.kill('SIGKILL');
        };
        const killed = await start(begin(path), { onStdout }).ended;
        expect(killed.code).not.toBe(0);
        const again = await runCli(resume(path));
        expect(again.code).toBe(0);
        expect(await lasting(path)).toEqual(await lasting(twin()));
      }
    }, 180_000);

    test('a run that is killed repeatedly while it saves equals an uninterrupted run', async () => {
      const path = join(root, 'hammered');
      const everyUpdate = begin(path).map((word, at, all) => (all[at - 1] === '--checkpoint.every' ? '1' : word));
      let kills = 0;
      for (let attempt = 0; attempt < 5; attempt++) {
        // Moments spread over the write of a checkpoint, which follows the update's line.
        const onStdout = (text: string, child: { kill(signal: 'SIGKILL'): unknown }): void => {
          if (lines(text) === 3) setTimeout(() => child.kill('SIGKILL'), attempt * 4);
        };
        const { code } = await start(attempt === 0 ? everyUpdate : resume(path), { onStdout }).ended;
        if (code !== 0) kills += 1;
      }
      expect(kills).toBeGreaterThan(1);
      expect((await runCli(resume(path))).code).toBe(0);
      expect(await lasting(path)).toEqual(await lasting(twin()));
    }, 180_000);

    test.each([
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const)(
      '%s saves, says how to go on, and ends with %i',
      async (signal, expected) => {
        const path = join(root, signal);
        let sent = false;
        const onStdout = (text: string, child: { kill(name: typeof signal): unknown }): void => {
          if (!sent && lines(text) >= 8) sent = child.kill(signal) === true;
        };
        const stopped = await start(begin(path), { onStdout }).ended;
        expect(stopped.code).toBe(expected);
        expect(stopped.stderr).toContain(`exit-rl train --resume ${path}`);
        const reached = Number(/after update (\d+)/.exec(stopped.stderr)?.[1]);
        expect(await readdir(path)).toContain(`checkpoint-${reached}`);
        expect((await runCli(resume(path))).code).toBe(0);
        expect(await lasting(path)).toEqual(await lasting(twin()));
      },
      120_000,
    );

    test('a second signal ends the process at once', async () => {
      const path = join(root, 'twice');
      let sent = 0;
      const onStdout = (text: string, child: { kill(name: 'SIGINT'): unknown }): void => {
        if (sent === 0 && lines(text) >= 3) {
          sent = 1;
          child.kill('SIGINT');
          setTimeout(() => child.kill('SIGINT'), 5);
        }
      };
      const { code } = await start(begin(path), { onStdout }).ended;
      expect(code).toBe(130);
      expect((await runCli(resume(path))).code).toBe(0);
      expect(await lasting(path)).toEqual(await lasting(twin()));
    }, 120_000);

    test('a corrupt checkpoint is set aside with a warning, and the run resumes from the previous one', async () => {
      const path = join(root, 'corrupt');
      await runCli(begin(path));
      await truncate(join(path, 'checkpoint-24', 'model.safetensors'), 1000);
      const named = await runCli(resume(join(path, 'checkpoint-24')));
      expect(named.code).toBe(1);
      expect(named.stderr).toContain('model.safetensors has 1000 bytes');
      const { code, stderr } = await runCli(resume(path));
      expect(code).toBe(0);
      expect(stderr).toContain('checkpoint-24.corrupt');
      expect(await lasting(path)).toEqual(await lasting(twin()));
    }, 120_000);

    test('a changed setting, a folder in use and an existing run folder are refused by name', async () => {
      const changed = await runCli([...resume(twin()), '--groupSize', '8']);
      expect(changed.code).toBe(1);
      expect(changed.stderr).toContain('groupSize (4 -> 8)');
      const used = await runCli(begin(twin()));
      expect(used.code).toBe(1);
      expect(used.stderr).toContain('--resume');
      const { started, host } = { started: '', host: (await import('node:os')).hostname() };
      await writeFile(join(twin(), 'run.lock'), JSON.stringify({ pid: process.pid, started, host }));
      const locked = await runCli(resume(twin()));
      expect(locked.stderr).toContain(`in use by process ${process.pid}`);
      await rm(join(twin(), 'run.lock'));
    });

    test('a closed output ends training quietly, with a checkpoint', async () => {
      const path = join(root, 'head');
      const { code, stderr } = await start(begin(path), { onStdout: (_, child) => child.stdout?.destroy() }).ended;
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      expect((await readdir(path)).some((name) => name.startsWith('checkpoint-'))).toBe(true);
    }, 60_000);
  },
);
