/** Completions seen while they grow. */
import { describe, expect, test } from 'vitest';
import { CancelledError } from '../../src/errors.js';
import type { GenerateRequest } from '../../src/policy/policy.js';
import { type Streamed, streamOf } from '../../src/policy/stream.js';
import { openPolicy } from '../golden/support.js';

const request: GenerateRequest = {
  prompt: [5, 6, 7],
  n: 5,
  sampling: { temperature: 1, maxNewTokens: 40 },
  seed: 3,
  requestId: 1,
};

async function collect(pieces: AsyncIterable<Streamed>): Promise<Map<number, { tokens: number[]; text: string }>> {
  const found = new Map<number, { tokens: number[]; text: string }>();
  for await (const { completion, tokens, text } of pieces) {
    const before = found.get(completion) ?? { tokens: [], text: '' };
    found.set(completion, { tokens: [...before.tokens, ...tokens], text: before.text + text });
  }
  return found;
}

test('delivers an answer longer than the largest argument list', async () => {
  const tokens = new Int32Array(300_000).fill(7);
  const completion = { tokens, logprobs: new Float32Array(tokens.length), text: '', finishReason: 'length' as const };
  const generated = { promptTokens: Int32Array.of(1), completions: [completion] };
  const stream = streamOf(
    async () => generated,
    () => {},
  );
  expect((await collect(stream)).get(0)?.tokens).toHaveLength(tokens.length);
});

describe('a stream', () => {
  test.each(['llama-tied', 'qwen2'])('yields the completions of generate piece by piece: %s', async (name) => {
    const policy = await openPolicy(name);
    const whole = await policy.generate(request);
    const stream = policy.stream(request);
    const pieces = await collect(stream);
    expect(await stream.result).toEqual(whole);
    whole.completions.forEach(({ tokens, text }, at) => {
      expect(pieces.get(at)).toEqual({ tokens: Array.from(tokens), text });
    });
  });

  test('keeps concurrent streams apart', async () => {
    const policy = await openPolicy('qwen2');
    const requests = Array.from({ length: 30 }, (_, requestId) => ({ ...request, requestId, n: 2 }));
    const wholes = await Promise.all(requests.map((one) => policy.generate(one)));
    const found = await Promise.all(requests.map((one) => collect(policy.stream(one))));
    found.forEach((pieces, at) => {
      const texts = wholes[at]?.completions.map(({ text }) => text);
      expect([...pieces.entries()].sort(([a], [b]) => a - b).map(([, { text }]) => text)).toEqual(texts);
    });
  });

  test('yields fewer, larger pieces to a slow reader', async () => {
    const policy = await openPolicy('qwen2');
    const stream = policy.stream({ ...request, n: 1 });
    const { completions } = await stream.result;
    let count = 0;
    for await (const piece of stream) count += piece.tokens.length > 0 ? 1 : 0;
    expect(count).toBe(1);
    expect(completions[0]?.tokens.length).toBeGreaterThan(1);
  });

  test('cancels its request when the reader leaves', async () => {
    const policy = await openPolicy('llama-tied');
    const stream = policy.stream({ ...request, n: 60_000 });
    for await (const piece of stream) {
      expect(piece.tokens.length).toBeGreaterThan(0);
      break;
    }
    await expect(stream.result).rejects.toThrow(CancelledError);
  });

  test('fails with the error of its request', async () => {
    const policy = await openPolicy('llama-tied');
    const controller = new AbortController();
    const stream = policy.stream({ ...request, n: 60_000, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(collect(stream)).rejects.toThrow(CancelledError);
    await expect(stream.result).rejects.toThrow(CancelledError);
  });
});
