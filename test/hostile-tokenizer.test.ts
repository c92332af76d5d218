/** Tokenizers from anywhere: a bad file, a panic or a loop is an error that names the file, and Node lives on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ModelFolderError, TokenizerError } from '../src/errors.js';
import { crossing, crossingNow, type NativeTokenizer, native } from '../src/native.js';
import { readGolden } from './golden/support.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-tokenizer-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Json = Record<string, unknown>;
const honest = (): Json => readGolden<Json>('tokenizers/llama3/tokenizer.json');

function load(content: Json | string): Promise<NativeTokenizer> {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(join(folder, 'tokenizer.json'), text);
  return crossing(() => native('cpu').NativeTokenizer.load(folder));
}

const split = (pattern: string): Json => ({
  ...honest(),
  pre_tokenizer: { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
});

const doubling = (times: number): Json => ({
  type: 'Sequence',
  normalizers: Array(times).fill({ type: 'Replace', pattern: { String: 'a' }, content: 'aa' }),
});
const token = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

describe('files', () => {
  const bad: readonly (readonly [string, Json | string])[] = [
    ['nothing', ''],
    ['half a file', JSON.stringify(honest()).slice(0, 5_000)],
    ['another kind of JSON', '[1, 2, 3]'],
    ['nesting without end', '['.repeat(200_000)],
    ['an unknown model', { ...honest(), model: { type: 'Oracle' } }],
    ['merges of unknown words', { ...honest(), model: { type: 'BPE', vocab: { a: 0 }, merges: [['x', 'y']] } }],
    ['an unreadable pattern', split('(((')],
    ['a vocabulary that is no map', { ...honest(), model: { type: 'BPE', vocab: [1], merges: [] } }],
    ['steps that make gigabytes of a word', { ...honest(), normalizer: doubling(40) }],
    [
      'an added token of a megabyte',
      { ...honest(), added_tokens: [{ ...token, id: 0, content: 'a'.repeat(2 ** 20) }] },
    ],
    ['unigram without pieces', { ...honest(), model: { type: 'Unigram', unk_id: 5, vocab: [] } }],
  ];

  test.each(bad)('are refused with the name of the file: %s', async (_name, content) => {
    const error: unknown = await load(content).catch((reason: unknown) => reason);
    expect(ModelFolderError.isInstance(error), String(error)).toBe(true);
    expect(String(error)).toContain('tokenizer.json');
  });

  test('with truncation and padding neither truncate nor pad texts', async () => {
    const truncation = { direction: 'Right', max_length: 2, strategy: 'LongestFirst', stride: 0 };
    const padding = { strategy: { Fixed: 99 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: 'x' };
    const tokenizer = await load({ ...honest(), truncation, padding });
    const plain = await load(honest());
    const texts = ['a text of more than two tokens'];
    expect(tokenizer.encode(texts)).toEqual(plain.encode(texts));
  });
});

describe('patterns', () => {
  test.each(['(a+)+$', '(a|aa)+$', '(.*)*x(.*)*y$', '(?=(a+))a*b\\1'])(
    '%s on a long text ends soon',
    async (pattern) => {
      const tokenizer = await load(split(pattern));
      const start = performance.now();
      const text = `${'a'.repeat(30_000)}b`;
      const answer: unknown = await crossing(() => tokenizer.encodeText(text, true)).catch((reason: unknown) => reason);
      expect(answer instanceof Int32Array || TokenizerError.isInstance(answer), String(answer)).toBe(true);
      expect(performance.now() - start).toBeLessThan(60_000);
    },
    90_000,
  );
});

test('decoding skips ids outside of the vocabulary', async () => {
  const tokenizer = await load(honest());
  const ids = Int32Array.of(0x7fffffff, -1, 65);
  expect(() => crossingNow(() => tokenizer.decode(ids, Uint32Array.of(0, 3), true))).not.toThrow();
});
