/** Requests that leave things open: their defaults, and the errors of those that are wrong. */
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import type { GenerateOptions } from '../../src/policy/generation.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import type { GenerateRequest } from '../../src/policy/policy.js';
import { defaultSampling } from '../../src/policy/sampling.js';
import { missingEngine } from '../cli/support/cli.js';

const cafe = new URL('../../models/cafe', import.meta.url).pathname;
const messages = [{ role: 'user', content: 'Drink with no tea.' }] as const;

let policy: LocalPolicy;
beforeAll(async () => {
  if (missingEngine === undefined) policy = await LocalPolicy.load(cafe, { device: 'cpu', threads: 1 });
});
afterAll(() => policy?.close());

/** As JavaScript callers can ask. */
const ask = (request: unknown): Promise<unknown> => policy.generate(request as GenerateOptions);

test('GenerateOptions leaves out what GenerateRequest requires', () => {
  expectTypeOf<GenerateRequest>().toExtend<GenerateOptions>();
  expectTypeOf<GenerateOptions>().not.toExtend<GenerateRequest>();
  expectTypeOf<{ prompt: string }>().toExtend<GenerateOptions>();
});

describe.skipIf(missingEngine !== undefined)('a request that leaves options out', () => {
  test('equals the request that spells out the defaults', async () => {
    const prompt = 'Hi';
    const sampling = { temperature: 1, maxNewTokens: 256, topK: 0, topP: 1, minP: 0 };
    const said = await policy.generate({ prompt, n: 1, sampling, seed: 0, requestId: 0 });
    expect(await policy.generate('Hi')).toEqual(said);
    expect(await policy.generate({ prompt })).toEqual(said);
    expect(await policy.generate({ prompt, sampling: {} })).toEqual(said);
    expect(await policy.stream('Hi').result).toEqual(said);
    expect(defaultSampling).toMatchObject(sampling);
  });

  test('accepts messages and token ids in place of a text', async () => {
    const asked = await policy.generate(messages);
    expect(asked.completions).toHaveLength(1);
    expect(await policy.generate(asked.promptTokens)).toEqual(asked);
    expect(await policy.generate([...asked.promptTokens])).toEqual(asked);
  });

  test('treats undefined as absent', async () => {
    expect(await ask({ prompt: 'Hi', n: undefined, sampling: { topK: undefined }, signal: undefined })).toEqual(
      await policy.generate('Hi'),
    );
  });

  test('answers differently for another seed', async () => {
    const sampling = { temperature: 2, maxNewTokens: 32 };
    const texts = await Promise.all(
      [0, 1].map(async (seed) => (await policy.generate({ prompt: messages, sampling, seed })).completions[0]?.text),
    );
    expect(texts[0]).not.toBe(texts[1]);
  });
});

describe.skipIf(missingEngine !== undefined)('a wrong request is refused with its key and the fix', () => {
  const call = { role: 'assistant', content: '', toolCalls: [{ name: 'f', arguments: '{' }] };
  test.each([
    [{}, 'prompt', 'is missing; it must be a text, a list of messages, a conversation, or token ids'],
    [{ promt: 'Hi', prompt: 'Hi' }, 'promt', 'did you mean `prompt`?'],
    [{ prompt: 'Hi', temperature: 1 }, 'temperature', 'write `sampling: { temperature: … }`'],
    [{ prompt: 'Hi', max_new_tokens: 8 }, 'max_new_tokens', 'did you mean `sampling.maxNewTokens`?'],
    [{ prompt: 'Hi', sampling: { topk: 2 } }, 'sampling.topk', 'did you mean `topK`?'],
    [{ prompt: 'Hi', sampling: { stop: 'x' } }, 'sampling.stop', "must be a list, not the text 'x'"],
    [{ prompt: 'Hi', n: '3' }, 'n', "must be a whole number in [0, 2^32), not the text '3'"],
    [{ prompt: 'Hi', n: 1.5 }, 'n', 'not 1.5'],
    [{ prompt: 'Hi', sampling: { maxNewTokens: 2 ** 32 } }, 'sampling.maxNewTokens', 'not 4294967296'],
    [{ prompt: 'Hi', seed: 2 ** 53 }, 'seed', 'must be a whole number of at least 0'],
    [{ prompt: 7 }, 'prompt', 'must be a text, a list of messages, a conversation, or token ids, not 7'],
    [{ prompt: [1, 'two'] }, 'prompt[1]', "not the text 'two'"],
    [{ prompt: [{ role: 'usr', content: '' }] }, 'prompt[0].role', "did you mean 'user'?"],
    [{ prompt: [call] }, 'prompt[0].toolCalls[0].arguments', 'is not JSON'],
    [{ prompt: 'Hi', chat: { tool: [] } }, 'chat.tool', 'did you mean `tools`?'],
    [{ prompt: 'Hi', signal: 5 }, 'signal', 'must be an AbortSignal, not 5'],
  ])('%j', async (request, key, reason) => {
    const error = await ask(request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ fields: { key, reason: expect.stringContaining(reason) } });
    expect(() => policy.stream(request as unknown as GenerateOptions)).toThrow(InvalidRequestError);
  });

  test.each([undefined, null, 5])('refuses %s as a request', async (request) => {
    await expect(ask(request)).rejects.toThrow(`must be an object, not ${request}`);
  });
});
