/** Every row of test/world says where it comes from, and a test of its kind reads it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { worldFolder, worldKinds, worldRows } from './support/rows.js';

const root = join(worldFolder, '../..');

test('no test of a kind is without rows', () => {
  const tests = readdirSync(worldFolder).filter((name) => name.endsWith('.test.ts') && name !== 'world.test.ts');
  expect(worldKinds()).toEqual(expect.arrayContaining(tests.map((name) => name.slice(0, -'.test.ts'.length))));
});

test('the world has at least 200 rows', () => {
  expect(worldKinds().flatMap((kind) => worldRows(kind)).length).toBeGreaterThanOrEqual(200);
});

describe.each(worldKinds())('%s', (kind) => {
  test('has a test of its own', () => {
    expect(existsSync(join(worldFolder, `${kind}.test.ts`))).toBe(true);
  });

  test.each(worldRows(kind))('%s names its source and the script that made it', (_name, row) => {
    expect(Object.keys(row).sort()).toEqual(['expect', 'input', 'script', 'source']);
    expect(row.source.length).toBeGreaterThan(10);
    if (row.script !== 'by hand') expect(existsSync(join(root, row.script))).toBe(true);
  });
});
