/** Messages as the world writes them: what a template sees of each, or the problem that names it. */
import { afterAll, describe, expect, test } from 'vitest';
import { createChat } from '../../src/chat/conversation.js';
import { TemplateRenderer } from '../../src/chat/renderer.js';
import { requireMessages } from '../../src/chat/template.js';
import { ChatTemplateError } from '../../src/errors.js';
import { formatExact, parseExact } from '../../src/exact-json.js';
import type { Message } from '../../src/message.js';
import type { NativeTokenizer } from '../../src/native.js';
import { completeRequest } from '../../src/policy/generation.js';
import { neutralRules } from '../../src/policy/sampling.js';
import { readMessages } from '../../src/read-messages.js';
import { worldRows } from './support/rows.js';

interface Given {
  /** The JSON of the messages. */
  readonly messages: string;
  readonly template?: string;
}

type Expected = { readonly text: string } | { readonly place: string; readonly reason: string };

/** The rules of a folder without generation_config.json. */
const folder = { generationConfig: neutralRules, unsupportedGenerationKeys: [] };

const renderer = new TemplateRenderer();
afterAll(() => renderer.close());

describe.each(worldRows<Given, Expected>('message'))('%s', (_name, { input, expect: expected }) => {
  const messages = parseExact(input.messages) as readonly Message[];

  if ('text' in expected) {
    test('shows the template what transformers shows', async () => {
      const files = { templates: { default: input.template ?? '' }, specialTokens: {}, source: 'chat_template.jinja' };
      const chat = createChat({ files, tokenizer: {} as NativeTokenizer, endTokens: [], renderer });
      expect(await chat.render(messages, { addGenerationPrompt: false })).toBe(expected.text);
    });

    test('is a prompt of the library', () => {
      expect(completeRequest('generate', { prompt: messages, generationConfig: false }, folder).prompt).toBe(messages);
    });

    test('reads the same when it was read before', () => {
      const once = readMessages(messages).messages;
      expect(formatExact(readMessages(once).messages)).toBe(formatExact(once));
    });
    return;
  }

  test('is refused with message, role and key', () => {
    expect(() => requireMessages(messages)).toThrow(ChatTemplateError);
    expect(() => requireMessages(messages)).toThrow(expected.place);
    expect(() => requireMessages(messages)).toThrow(expected.reason);
    const key = expected.place.split('`')[1];
    expect(() => completeRequest('generate', { prompt: messages, generationConfig: false }, folder)).toThrow(
      key === undefined ? 'prompt[0]' : `].${key}`,
    );
  });
});
