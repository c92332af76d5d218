/** Stop texts against a plain search through the decoded text of everything that is sampled without them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { Completion, GenerateRequest } from '../../src/policy/policy.js';
import { type Backend, backends, openPolicy } from '../golden/support.js';
import { randomModel } from '../support/random-model.js';

const request = (requestId: number, n = 3): GenerateRequest => ({
  prompt: [5, 6, 7],
  n,
  sampling: { temperature: 1.3, maxNewTokens: 48 },
  seed: 11,
  requestId,
});

const withStop = (plain: GenerateRequest, stop: readonly string[], includeStopText = false): GenerateRequest => ({
  ...plain,
  sampling: { ...plain.sampling, stop, includeStopText },
});

/** Where the stop text begins and ends that ends first. */
function firstStop(text: string, stop: readonly string[]): { start: number; end: number } | undefined {
  const found = stop.flatMap((one) => (text.includes(one) ? [{ start: text.indexOf(one), one }] : []));
  const ends = found.map(({ start, one }) => ({ start, end: start + one.length }));
  return ends.sort((left, right) => left.end - right.end || left.start - right.start)[0];
}

/** The definition: decode ever longer beginnings until one holds a stop text. */
function plainStop(policy: LocalPolicy, whole: Completion, stop: readonly string[], include: boolean): Completion {
  for (let length = 1; length <= whole.tokens.length; length++) {
    const tokens = whole.tokens.slice(0, length);
    const [text = ''] = policy.decode([tokens], { skipSpecialTokens: true });
    const found = firstStop(text, stop);
    if (found === undefined) continue;
    const cut = text.slice(0, include ? found.end : found.start);
    return { tokens, logprobs: whole.logprobs.slice(0, length), text: cut, finishReason: 'stop' };
  }
  return whole;
}

/** libtorch's numbers depend in their last digits on what is computed beside them. */
const comparable =
  (backend: Backend) =>
  ({ tokens, logprobs, text, finishReason }: Completion): object => ({
    ...{ tokens: Array.from(tokens), text, finishReason },
    logprobs: Array.from(logprobs, (value) => (backend === 'kernels' ? value : expect.closeTo(value, 4))),
  });

/** Pieces of what the model says, so that many of them are found, across tokens and within; and some that are not. */
function stopTexts(texts: readonly string[]): fc.Arbitrary<string[]> {
  const all = Array.from(texts.join(''));
  const piece = fc
    .tuple(fc.nat(Math.max(0, all.length - 1)), fc.integer({ min: 1, max: 6 }))
    .map(([at, length]) => all.slice(at, at + length).join(''));
  const absent = fc.constantFrom('\u{1F600}', 'never said', '\n\n\n\n');
  return fc.array(fc.oneof({ weight: 5, arbitrary: piece }, absent), { minLength: 1, maxLength: 3 });
}

describe.each(backends)('on %s', (backend) => {
  // Byte-level pieces that split characters, SentencePiece's bytes, unigrams.
  test.each(['qwen2.5', 'llama3', 'llama2', 'mistral', 'unigram'])(
    'ends %s where a plain search finds the stop text',
    async (name) => {
      const policy = await openPolicy(randomModel(name), { backend });
      const wholes = await Promise.all(Array.from({ length: 6 }, (_, id) => policy.generate(request(id))));
      const texts = wholes
        .flatMap(({ completions }) => completions.map(({ text }) => text))
        .filter((text) => text !== '');
      let stopped = 0;
      await fc.assert(
        fc.asyncProperty(fc.nat(5), stopTexts(texts), fc.boolean(), async (id, stop, include) => {
          const found = await policy.generate(withStop(request(id), stop, include));
          const expected = wholes[id]?.completions.map((whole) => plainStop(policy, whole, stop, include));
          expect(found.completions.map(comparable('kernels'))).toEqual(expected?.map(comparable(backend)));
          stopped += found.completions.filter(({ tokens }, at) => {
            return tokens.length < (wholes[id]?.completions[at]?.tokens.length ?? 0);
          }).length;
        }),
        // In a batch of another size libtorch's last digits differ, and one draw in a million with them: other cases every
        // time would fail once in a hundred runs.
        { numRuns: 60, ...(backend === 'torch' && { seed: 1 }) },
      );
      expect(stopped).toBeGreaterThan(30);
    },
  );
});

/** With bytes of é and of 👩 said one after the other, also where the last of them is missing. */
test.each(['qwen2.5', 'llama2'])('%s: finds a stop text whose characters take several tokens', async (name) => {
  const policy = await openPolicy(randomModel(name));
  const found = { whole: 0, cut: 0 };
  for (let id = 0; id < 400 && found.whole < 20; id++) {
    const [whole] = (await policy.generate(request(id, 1))).completions;
    const wide = Array.from(whole?.text ?? '').find((character) => character > '\u007f' && character !== '\ufffd');
    if (whole === undefined || wide === undefined) continue;
    found.whole += 1;
    const [stopped] = (await policy.generate(withStop(request(id, 1), [wide]))).completions;
    const expected = plainStop(policy, whole, [wide], false);
    expect(comparable('kernels')(stopped as Completion)).toEqual(comparable('kernels')(expected));
    const [before = ''] = policy.decode([expected.tokens.slice(0, -1)], { skipSpecialTokens: true });
    if (before.endsWith('\ufffd')) found.cut += 1;
  }
  expect(found.whole).toBe(20);
  expect(found.cut).toBeGreaterThan(0);
});

test('keeps a completion independent of its neighbours, with and without stop texts', async () => {
  const policy = await openPolicy('qwen2');
  const [first] = (await policy.generate(request(0, 1))).completions;
  const stop = [
    Array.from(first?.text ?? '')
      .slice(4, 6)
      .join(''),
  ];
  const requests = Array.from({ length: 24 }, (_, id) => (id % 2 ? request(id) : withStop(request(id), stop)));
  const alone = [];
  for (const one of requests) alone.push(await policy.generate(one));
  expect(await Promise.all(requests.map((one) => policy.generate(one)))).toEqual(alone);
});

test.each([false, true])('streams the cut text and takes nothing back (include %s)', async (include) => {
  const policy = await openPolicy('qwen2');
  for (let id = 0; id < 12; id++) {
    const [whole] = (await policy.generate(request(id, 1))).completions;
    const characters = Array.from(whole?.text ?? '');
    const stop = [characters.slice(6, 9).join('') || 'x', characters.slice(12, 13).join('') || 'y'];
    const stream = policy.stream(withStop(request(id, 1), stop, include));
    let said = '';
    for await (const { text } of stream) said += text;
    const [completion] = (await stream.result).completions;
    expect(said).toBe(completion?.text);
  }
});

test('refuses an empty stop text', async () => {
  const policy = await openPolicy('llama-tied');
  const empty = (): Promise<unknown> => policy.generate(withStop(request(0), ['x', '']));
  await expect(empty()).rejects.toSatisfy(
    (error) => InvalidRequestError.isInstance(error) && error.fields.key === 'stop',
  );
});
