/** The examples are run as a user runs them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { missingEngine } from './cli/support/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));

describe.skipIf(missingEngine !== undefined)(`examples${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('custom-task.mjs teaches the model the colour it is paid for', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['examples/custom-task.mjs', '25'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const qualities = stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(qualities).toHaveLength(25);
    expect(qualities.at(-1)).toBeGreaterThan((qualities[0] ?? 1) + 0.2);
  });
});

describe.skipIf(missingEngine !== undefined)('an example with a data file', () => {
  test('data-file/config.yaml trains on its rows, evaluates on those held out, and keeps the best checkpoint', () => {
    const out = mkdtempSync(join(tmpdir(), 'exit-rl-example-'));
    try {
      const args = [
        'dist/src/cli/main.js',
        'train',
        'examples/data-file/config.yaml',
        '--out',
        join(out, 'run'),
        '--json',
      ];
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

test('every example is named by a test', () => {
  const tested = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  for (const name of readdirSync(`${root}examples`)) expect(tested).toContain(name);
});

test('README shows the example as it is run', () => {
  const example = readFileSync(`${root}examples/custom-task.mjs`, 'utf8').trim();
  expect(readFileSync(`${root}README.md`, 'utf8')).toContain(example);
});
