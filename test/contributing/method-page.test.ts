/** docs/method.md leads from each line of Algorithm 1 to a function that is in the file beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/method.md'), 'utf8');
const [, table = ''] = page.split('## Algorithm 1');
const rows = [...table.matchAll(/^\| ([^|]*(?:\\\|[^|]*)*) \| ([^|]+) \| ([^|]+) \|$/gm)]
  .map(([, line = '', files = '', functions = '']) => ({ line, files, functions }))
  .filter(({ files }) => files.includes('('));

const words = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, word = '']) => word);

test('there are lines to look at', () => {
  expect(rows.length).toBeGreaterThan(12);
});

test.each(rows)('$line', ({ files, functions }) => {
  const paths = words(files + functions, /\(\.\.\/([^)]+)\)/g).concat(words(functions, /`(crates\/[^`]+)`/g));
  const code = paths.map((path) => readFileSync(join(root, path), 'utf8')).join('\n');
  const names = words(functions, /`(\w+)`/g).filter((name) => name !== 'startsPerBatch');
  expect(names.length).toBeGreaterThan(0);
  const isDefined = (name: string): boolean =>
    new RegExp(`(?:function|fn|const|async|private|^ {2})\\s*${name}\\b`, 'm').test(code);
  expect(names.filter((name) => !isDefined(name))).toEqual([]);
});
