/** An assistant turn goes back into the conversation as the ids it was generated as. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChatTemplateError } from '../../src/errors.js';
import type { Message } from '../../src/message.js';
import { loadTokenizer, openChat } from '../golden/support.js';

const user = (content: string): Message => ({ role: 'user', content });
const generated = (tokens: readonly number[]): Message => ({ role: 'assistant', content: '', tokens });

/** Where `part` stands in `whole` for the first time, at `from` or behind; -1 when nowhere. */
function placeOf(whole: Int32Array, part: readonly number[], from = 0): number {
  return Array.from(whole).findIndex((_, at) => at >= from && part.every((id, offset) => whole[at + offset] === id));
}

describe.each([
  ['llama3_2', 'llama3', '<|eot_id|>'],
  ['qwen2_5', 'qwen2.5', '<|im_end|>'],
  ['qwen3', 'qwen3', '<|im_end|>'],
  ['deepseek_r1_distill', 'deepseek', '<｜end▁of▁sentence｜>'],
] as const)('%s', (template, family, end) => {
  test('keeps any ids of an assistant turn, after the prompt that they answered', async () => {
    const tokenizer = await loadTokenizer(family);
    const [endId = -1] = tokenizer.encode([end])[0] ?? [];
    const chat = await openChat(template, family, [endId]);
    const ordinary = Array.from({ length: 680 }, (_, id) => id);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...ordinary), { minLength: 1, maxLength: 20 }), async (ids) => {
        const history = [user('Q'), generated([...ids, endId]), user('And?')];
        const found = await chat.encode(history, { addGenerationPrompt: true });
        const text = tokenizer.decode([Int32Array.from(ids)], true)[0] ?? '';
        // Texts that the template takes to be thinking are the subject of the tests below.
        fc.pre(!text.includes('think>'));
        const before = await chat.encode([user('Q')], { addGenerationPrompt: false });
        expect(placeOf(found, [...ids, endId], before.length)).toBeGreaterThan(0);
        expect(Array.from(found).filter((id) => id === endId).length).toBe(
          Array.from(await chat.encode([user('Q'), { role: 'assistant', content: 'A' }, user('And?')])).filter(
            (id) => id === endId,
          ).length,
        );
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('keeps ids that no encoding of their text gives', async () => {
    const tokenizer = await loadTokenizer(family);
    const letters = ['h', 'e', 'l', 'l', 'o'].map((letter) => tokenizer.encode([letter])[0]?.[0] ?? -1);
    expect(Array.from(tokenizer.encode(['hello'])[0] ?? [])).not.toEqual(letters);
    const chat = await openChat(template, family);
    expect(placeOf(await chat.encode([user('Q'), generated(letters), user('x')]), letters)).toBeGreaterThan(0);
  });
});

describe('a template that leaves thinking out of earlier turns', () => {
  test.each([
    ['qwen3', 'qwen3'],
    ['deepseek_r1_distill', 'deepseek'],
  ])('%s: what remains keeps its ids', async (template, family) => {
    const { encode, decode } = await loadTokenizer(family);
    const chat = await openChat(template, family);
    const thought = '<think>\nlet me see: four\n</think>\n\n';
    const answer = ['I', 't', ' is', ' f', 'o', 'u', 'r'].flatMap((piece) => [...(encode([piece])[0] ?? [])]);
    const tokens = [...(encode([thought])[0] ?? []), ...answer];
    const found = await chat.encode([user('2+2?'), generated(tokens), user('Sure?')]);
    const plain = [user('2+2?'), { role: 'assistant', content: `${thought}It is four` }, user('Sure?')] as const;
    expect(decode([found])[0]).toBe(await chat.render(plain));
    expect(placeOf(found, answer)).toBeGreaterThan(0);
  });

  test('splices the whole last turn of qwen3, thinking included', async () => {
    const { encode } = await loadTokenizer('qwen3');
    const chat = await openChat('qwen3', 'qwen3');
    const pieces = ['<think>', '\n', 'o', 'n', 'e', '\n', '</think>', '\n\n', 't', 'w', 'o'];
    const tokens = pieces.flatMap((piece) => [...(encode([piece])[0] ?? [])]);
    const found = await chat.encode([user('count'), generated(tokens)], { addGenerationPrompt: false });
    expect(placeOf(found, tokens)).toBeGreaterThan(0);
  });
});

test('keeps generated white space under a template that trims', async () => {
  const { encode } = await loadTokenizer('llama3');
  const chat = await openChat('llama3_1', 'llama3');
  const tokens = ['\n', ' ', 'y', 'e', 's', ' ', '\n\n'].flatMap((piece) => [...(encode([piece])[0] ?? [])]);
  expect(placeOf(await chat.encode([user('Q'), generated(tokens), user('x')]), tokens)).toBeGreaterThan(0);
});

test('fails when the template rewrites the turn', async () => {
  const tokenizer = await loadTokenizer('qwen3');
  const template = '{% for m in messages %}{{ m.content | upper }}{% endfor %}';
  const files = { templates: { default: template }, specialTokens: {}, source: 'x' };
  const { createChat } = await import('../../src/chat/conversation.js');
  const chat = createChat({ files, tokenizer: tokenizer.native, endTokens: [] });
  const tokens = Array.from(tokenizer.encode(['hello there'])[0] ?? []);
  await expect(chat.encode([user('Q'), generated(tokens)])).rejects.toThrow(ChatTemplateError);
});
