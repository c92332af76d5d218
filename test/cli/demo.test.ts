/** Runs the demo as a user does. Needs the addon and the shipped model. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingEngine, runCli, start } from './support/cli.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-demo-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Processes whose command line names `text`. */
async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(text)) found.push(command.replaceAll('\0', ' '));
  }
  return found;
}

describe.skipIf(missingEngine !== undefined)(`the demo${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('--quick trains, compares, and notes that it is too short to compare methods', async () => {
    const out = join(root, 'quick');
    const { code, stdout, stderr } = await runCli(['demo', '--quick', '--out', out]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/exit seed 1 · update 100\/100/);
    expect(stdout).toMatch(/^solved %\s+k=0\s+k=1\s+k=2\s+k=4\s+k=8\s+k=16\s+ΔK/m);
    expect(stdout).toMatch(/^base .*\n^grpo .*\n^exit /m);
    expect(stdout).toContain('Too short to compare');
    expect(stdout).toContain(join(out, 'report.html'));

    const { rows, seeds, notes } = JSON.parse(await readFile(join(out, 'comparison.json'), 'utf8'));
    expect(rows.map(({ method, run }: Record<string, string>) => [method, run])).toEqual([
      ['base', null],
      ['grpo', 'grpo-seed-1'],
      ['exit', 'exit-seed-1'],
    ]);
    expect(seeds).toEqual([1]);
    expect(notes).toHaveLength(2);
    for (const { evaluation } of rows) expect(evaluation).toMatchObject({ tasks: 600, draws: 1 });
    expect(rows[2].evaluation.solved[16]).toBeGreaterThan(rows[0].evaluation.solved[0]);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('exit');
  }, 180_000);

  test('Ctrl-C ends the children, which save their state, and prints the commands that continue', async () => {
    const out = join(root, 'stopped');
    let stopped = false;
    const { ended } = start(['demo', '--out', out], {
      onStdout: (text, child) => {
        if (stopped || !/grpo seed 1 · update [1-9]/.test(text)) return;
        stopped = true;
        child.kill('SIGINT');
      },
    });
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('0 of 2 runs are finished');
    const run = join(out, 'grpo-seed-1');
    expect(stderr).toContain(`exit-rl train --resume ${run}`);
    expect((await readdir(run)).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(1);
    expect(await processesNaming(out)).toEqual([]);
  }, 120_000);

  test('a folder that is not empty is refused before anything starts', async () => {
    const out = join(root, 'used');
    await mkdir(out);
    await writeFile(join(out, 'notes.txt'), 'mine');
    const { code, stderr } = await runCli(['demo', '--quick', '--out', out]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${out}: is not empty`);
    expect(await readdir(out)).toEqual(['notes.txt']);
  });

  test('wrong numbers are wrong usage', async () => {
    const { code, stderr } = await runCli(['demo', '--seeds', '0', '--out', join(root, 'none')]);
    expect(code).toBe(2);
    expect(stderr).toContain('--seeds');
  });
});
