/** Pieces of a text, said while its ids arrive, are the beginning of the whole: never a part of a character. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadTokenizer, tokenizerNames } from '../golden/support.js';

const said = 'Größe 素早い 👩‍👩‍👧‍👦 🇫🇷 e\u0301 \ufffd العربية\n\n  ok <think>';

describe.each(tokenizerNames)('%s', (name) => {
  test('emits a prefix of the decoded whole for random ids in random pieces', async () => {
    const { native, encode, decode } = await loadTokenizer(name);
    const bytes = encode([said, '\u{1F600}\u0e01', 'þ']).flatMap((ids) => [...ids]);
    const ids = fc.oneof(fc.nat({ max: 640 }), fc.constantFrom(...bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.array(ids, { maxLength: 60 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
        async (list, sizes) => {
          const stream = native.stream();
          let [text, at] = ['', 0];
          for (const size of sizes) {
            if (at >= list.length) break;
            text += stream.push(Int32Array.from(list.slice(at, at + size)));
            at += size;
          }
          const [whole = ''] = decode([Int32Array.from(list)], true);
          expect(whole.startsWith(text)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('emits ordinary text to its end, except a last word that may continue', async () => {
    const { native, encode, decode } = await loadTokenizer(name);
    const [ids = new Int32Array()] = encode(['Hello there, and more to come.']);
    const stream = native.stream();
    const pieces = Array.from(ids, (id) => stream.push(Int32Array.of(id)));
    expect(pieces.join('')).toBe(decode([ids], true)[0]);
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(3);
  });
});
