/** The examples are run as a user runs them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { missingEngine } from './cli/support/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));

describe.skipIf(missingEngine !== undefined)(`examples${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('custom-task.ts teaches the model the rewarded colour', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'exit-rl-example-'));
    onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
    const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href;
    const args = ['--import', tsx, join(root, 'examples/custom-task.ts'), '25'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(readdirSync(join(cwd, 'runs/threes-grpo-0'))).toEqual(
      expect.arrayContaining(['evaluation.json', 'report.html']),
    );
    const qualities = stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(qualities).toHaveLength(25);
    expect(qualities.at(-1)).toBeGreaterThan((qualities[0] ?? 1) + 0.2);
  });
});

describe.skipIf(missingEngine !== undefined)('an example with a data file', () => {
  test('data-file/config.yaml trains on its rows, evaluates on held-out ones, and keeps the best checkpoint', () => {
    const out = mkdtempSync(join(tmpdir(), 'exit-rl-example-'));
    try {
      const args = ['dist/cli/main.js', 'train', 'examples/data-file/config.yaml', '--out', join(out, 'run'), '--json'];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, number>);
      const mean = (part: typeof rows): number => part.reduce((sum, row) => sum + (row.reward ?? 0), 0) / part.length;
      expect(mean(rows.slice(-8))).toBeGreaterThan(mean(rows.slice(0, 3)) + 0.1);
      const evaluated = rows.filter((row) => row.eval_reward !== undefined);
      expect(evaluated.map(({ update }) => update)).toEqual([10, 20, 30, 40].slice(0, evaluated.length));
      const best = evaluated.reduce((top, row) => ((row.eval_reward ?? 0) > (top.eval_reward ?? 0) ? row : top));
      expect(readdirSync(join(out, 'run'))).toContain(`checkpoint-${best.update}`);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});

describe.skipIf(missingEngine !== undefined)('the café, with commands as for any chat model', () => {
  const out = mkdtempSync(join(tmpdir(), 'exit-rl-cafe-'));
  afterAll(() => rmSync(out, { recursive: true, force: true }));
  const exit = (...args: string[]): Record<string, unknown>[] => {
    const command = ['dist/cli/main.js', ...args, '--threads', '1', '--json'];
    const { stdout, stderr, status } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' });
    // The printed form of the bonus is mostly its bound here, and the run says so once.
    expect({ stderr, status }).toEqual({
      stderr: expect.stringMatching(/^(warning: .*diversity\.clamp.*\n)?$/),
      status: 0,
    });
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const run = join(out, 'run');

  test('cafe/config.yaml gives well-formed answers, replays rewrites and raises the reward', () => {
    const small = [
      '--updates',
      '60',
      '--startsPerBatch',
      '8',
      '--buffer.minimumFill',
      '16',
      '--checkpoint.every',
      '30',
    ];
    const rows = exit('train', 'examples/cafe/config.yaml', ...small, '--learning_rate', '3e-4', '--out', run);
    const mean = (part: typeof rows): number => part.reduce((sum, row) => sum + Number(row.reward), 0) / part.length;
    expect(rows).toHaveLength(60);
    expect(mean(rows.slice(-15))).toBeGreaterThan(mean(rows.slice(0, 15)));
    expect(rows.every((row) => Number(row['sampling/sampling_logp_difference/max'] ?? 0) <= 1e-5)).toBe(true);
  }, 120_000);

  test('evaluates its run over K iterations on the held-out meals', () => {
    const [evaluation] = exit('evaluate', '--model', run, '--iterations', '2', '--draws', '1', '--limit', '40');
    expect(evaluation).toMatchObject({ k: [0, 1, 2], tasks: 40 });
    expect(((evaluation?.quality ?? []) as number[]).every((quality) => quality > 0.1)).toBe(true);
  }, 60_000);

  test('its checkpoint answers a conversation', () => {
    const input = join(out, 'chat.jsonl');
    const prompt = [{ role: 'user', content: 'Drink with no tea.\nDessert of any kind.' }];
    writeFileSync(input, `${JSON.stringify({ prompt })}\n`);
    const checkpoint = join(run, 'checkpoint-60');
    const [answer] = exit('generate', '--model', checkpoint, '--input', input, '--temperature', '0');
    const completions = answer?.completions as { text: string; finishReason: string }[];
    expect(completions[0]?.finishReason).toBe('stop');
    expect(completions[0]?.text).toMatch(/^Drink is [a-z]+\.\nDessert is [a-z]+\.$/);
  }, 60_000);
});

test('a test names every example', () => {
  const tested = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  for (const name of readdirSync(`${root}examples`)) expect(tested).toContain(name);
});

test('README shows the example that the test runs', () => {
  const example = readFileSync(`${root}examples/custom-task.ts`, 'utf8').trim();
  expect(readFileSync(`${root}README.md`, 'utf8')).toContain(example);
});
