import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { copyOfFixture } from '../report/support.js';
import { runCli } from './support/cli.js';

let folder = '';
beforeAll(async () => {
  folder = await copyOfFixture();
});

describe('report', () => {
  test('writes the page into the folder and prints its path', async () => {
    const { code, stdout, stderr } = await runCli(['report', folder]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`${join(folder, 'report.html')}\n`);
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/);
  });

  test('writes to --out, and prints JSON with --json', async () => {
    const out = join(folder, '007');
    const { code, stdout } = await runCli(['report', join(folder, 'exit-1'), '--out', out, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ report: out });
    expect(await readFile(out, 'utf8')).toContain('trained by exit');
  });

  test('a missing folder exits with 1 and its name, a missing argument with 2', async () => {
    const missing = await runCli(['report', join(folder, 'none')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('none: does not exist');
    const without = await runCli(['report']);
    expect(without.code).toBe(2);
  });
});
