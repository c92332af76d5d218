/** Conversations rendered and encoded as transformers does, with published templates; made by scripts/goldens/chat.py. */
import { describe, expect, test } from 'vitest';
import type { ChatOptions } from '../../src/chat/template.js';
import { ChatTemplateError } from '../../src/errors.js';
import type { Message } from '../../src/message.js';
import { openChat, readGolden } from './support.js';

interface Case {
  readonly name: string;
  readonly messages: readonly Message[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly text?: string;
  readonly ids?: readonly number[];
  readonly refused?: string;
}

const fixtures =
  readGolden<Record<string, { readonly tokenizer: string; readonly cases: readonly Case[] }>>(
    'chat/conversations.json',
  );

function ourOptions({
  tools,
  add_generation_prompt,
  continue_final_message,
  ...variables
}: Case['options']): ChatOptions {
  return {
    ...(tools !== undefined && { tools: tools as object[] }),
    addGenerationPrompt: add_generation_prompt !== false,
    continueFinalMessage: continue_final_message === true,
    variables,
  };
}

describe.each(Object.entries(fixtures))('%s', (template, { tokenizer, cases }) => {
  const accepted = cases.filter(({ text }) => text !== undefined);
  const refused = cases.filter((one) => one.refused !== undefined);

  test('the fixture holds conversations to compare', () => {
    expect(accepted.length).toBeGreaterThan(20);
  });

  test.each(accepted)('$name renders to the same text', async ({ messages, options, text }) => {
    const chat = await openChat(template, tokenizer);
    expect(await chat.render(messages, ourOptions(options))).toBe(text);
  });

  test.each(accepted)('$name encodes to the same ids', async ({ messages, options, ids }) => {
    const chat = await openChat(template, tokenizer);
    expect(Array.from(await chat.encode(messages, ourOptions(options)))).toEqual(ids);
  });

  test.each(refused)('$name is refused', async ({ messages, options }) => {
    const chat = await openChat(template, tokenizer);
    const rendering = chat.render(messages, ourOptions(options));
    await expect(rendering).rejects.toThrow(ChatTemplateError);
  });
});
