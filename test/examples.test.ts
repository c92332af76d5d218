/** The examples are run as a user runs them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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

test('every example is named by a test', () => {
  const tested = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  for (const name of readdirSync(`${root}examples`)) expect(tested).toContain(name);
});

test('README shows the example as it is run', () => {
  const example = readFileSync(`${root}examples/custom-task.mjs`, 'utf8').trim();
  expect(readFileSync(`${root}README.md`, 'utf8')).toContain(example);
});
