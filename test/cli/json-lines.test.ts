/** Reads untrusted lines: each is read as it was written, or refused with its place. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type JsonLine, readJsonLines, readTokens } from '../../src/cli/json-lines.js';
import { UsageError } from '../../src/errors.js';

let file = '';
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'exit-rl-lines-')), 'lines.jsonl');
});
afterEach(() => rmSync(join(file, '..'), { recursive: true, force: true }));

async function lines(content: string | Buffer): Promise<JsonLine[]> {
  writeFileSync(file, content);
  const found: JsonLine[] = [];
  for await (const line of readJsonLines(file)) found.push(line);
  return found;
}

test('empty lines count but are skipped, with any line end; a byte order mark is not part of the first line', async () => {
  const found = await lines('\ufeff{"a":"é"}\r\n\r\n \n{"b":2}');
  expect(found.map(({ value, place }) => [value, place.split(':').at(-1)])).toEqual([
    [{ a: 'é' }, '1'],
    [{ b: 2 }, '4'],
  ]);
});

test('lines longer than a chunk of the file are read completely', async () => {
  const texts = ['x', 'é'.repeat(100_000), 'y'.repeat(200_001)];
  const found = await lines(texts.map((text) => JSON.stringify({ text })).join('\n'));
  expect(found.map(({ value }) => value.text)).toEqual(texts);
});

test.each<readonly [string, string | Buffer, RegExp]>([
  ['a line without end', `{"a":1}\n${'x'.repeat(17 * 2 ** 20)}`, /:2: the line is longer than/],
  ['bytes that are no text', Buffer.from([0x7b, 0xff, 0x7d]), /:1: it is not valid UTF-8/],
  ['nesting without end', `\n${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, /:2: containers are nested more than 64 deep/],
  ['a list', '[1]', /:1: a line must be one JSON object/],
  ['no JSON', '{"a"', /:1: /],
])('%s is refused with its line', async (_name, content, message) => {
  const refused = await lines(content).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UsageError);
  expect(String(refused)).toMatch(message);
});

test('a missing file is refused by name', async () => {
  await expect(readJsonLines(`${file}.none`).next()).rejects.toThrow(/lines.jsonl.none: cannot be read/);
});

test.each([[[4294967297]], [[-1]], [[0.5]], [['1']], [[]], [{}]])('%j are not token ids', (tokens) => {
  expect(() => readTokens({ value: { tokens }, place: 'x:1' }, 'tokens')).toThrow(UsageError);
});
