/** Reads the data files of test/world/data-file, and compares every value with the text that Python prints for it. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DataRow } from '../../src/data/row.js';
import { DataError } from '../../src/errors.js';
import { pythonFloat } from '../../src/exact-json.js';
import { dataFolder, load } from '../data/support.js';
import { worldFolder, worldRows } from './support/rows.js';

interface Input {
  /** Files beside the row. */
  readonly files?: readonly string[];
  /** The content of a file of this name. */
  readonly name?: string;
  readonly text?: string;
  readonly base64?: string;
}

/** The texts of a value, in its lists and objects. */
type Texts = string | null | readonly Texts[] | { readonly [key: string]: Texts };

interface Expect {
  /** The last rows. */
  readonly rows?: readonly Record<string, Texts>[];
  readonly count?: number;
  readonly test?: readonly Record<string, Texts>[];
  readonly problems?: readonly string[];
}

const folder = dataFolder();

async function files({ files: names, name = '', text, base64 }: Input): Promise<string[]> {
  if (names !== undefined) return names.map((one) => join(worldFolder, 'data-file', one));
  return [await folder.write(name, text ?? Buffer.from(base64 ?? '', 'base64'))];
}

/** Replaces each value by the expected text where the value has that text: a number has those of JavaScript and of Python. */
function asTexts(value: unknown, expected: Texts | undefined): unknown {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') {
    // -0 has no text of its own in JavaScript.
    const texts = Object.is(value, -0) ? ['-0.0'] : [String(value), pythonFloat(value)];
    return texts.find((text) => text === expected) ?? texts;
  }
  if (Array.isArray(value)) return value.map((one, at) => asTexts(one, (expected as readonly Texts[])?.[at]));
  const entries = Object.entries(value as object);
  return new Map(entries.map(([key, one]) => [key, asTexts(one, (expected as Record<string, Texts>)?.[key])]));
}

/** Objects as maps, which compare a key `__proto__` as any other. */
function asMaps(texts: Texts): unknown {
  if (texts === null || typeof texts === 'string') return texts;
  if (Array.isArray(texts)) return texts.map(asMaps);
  return new Map(Object.entries(texts).map(([key, one]) => [key, asMaps(one)]));
}

function expectRows(rows: readonly DataRow[], expected: readonly Record<string, Texts>[]): void {
  const shown = rows.map(({ prompt, columns }, at) => asTexts({ prompt, ...columns }, expected[at]));
  expect(shown).toEqual(expected.map(asMaps));
}

describe('data files', () => {
  test.each(worldRows<Input, Expect>('data-file'))('%s', async (_, { input, expect: expected }) => {
    const train = await files(input);
    if (expected.problems !== undefined) {
      const error = await load({ train }).catch((refused: unknown) => refused);
      expect(error).toBeInstanceOf(DataError);
      const messages = (error as DataError).problems.map(({ message }) => message);
      expect(messages).toEqual(expected.problems.map((message) => expect.stringContaining(message)));
      return;
    }
    const { train: rows, test: held } = await load({ train });
    if (expected.count !== undefined) expect(rows).toHaveLength(expected.count);
    const last = expected.rows ?? [];
    expectRows(expected.count === undefined ? rows : rows.slice(-last.length), last);
    expectRows(held, expected.test ?? []);
  });
});
