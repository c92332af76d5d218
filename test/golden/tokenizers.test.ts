/** The small tokenizers of test/golden/tokenizers give transformers' ids and texts; made by scripts/goldens/vocabularies.py. */
import { describe, expect, test } from 'vitest';
import { loadTokenizer, readGolden, tokenizerNames } from './support.js';

interface Texts {
  readonly texts: readonly string[];
  readonly families: Readonly<Record<string, readonly (readonly [number[], string, string])[]>>;
}

const { texts, families } = readGolden<Texts>('tokenizers/texts.json');

describe.each(tokenizerNames)('%s', (name) => {
  const rows = families[name] ?? [];

  test('the fixture holds texts to compare', () => {
    expect(rows.length).toBe(texts.length);
  });

  test("texts have transformers' ids", async () => {
    const tokenizer = await loadTokenizer(name);
    expect(tokenizer.encode([...texts]).map((ids) => Array.from(ids))).toEqual(rows.map(([ids]) => ids));
  });

  test("ids have transformers' texts, with and without special tokens", async () => {
    const tokenizer = await loadTokenizer(name);
    const ids = rows.map(([row]) => Int32Array.from(row));
    expect(tokenizer.decode(ids)).toEqual(rows.map(([, whole]) => whole));
    expect(tokenizer.decode(ids, true)).toEqual(rows.map(([, , spoken]) => spoken));
  });
});
