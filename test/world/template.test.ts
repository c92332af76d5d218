/** Every expression and every conversation of test/world/template: the text of Python, or an error where Python has one. */
import { afterAll, describe, expect, test } from 'vitest';
import { createChat } from '../../src/chat/conversation.js';
import { TemplateRenderer } from '../../src/chat/renderer.js';
import { ChatTemplateError } from '../../src/errors.js';
import { parseExact } from '../../src/exact-json.js';
import type { Message } from '../../src/message.js';
import type { NativeTokenizer } from '../../src/native.js';
import { worldRows } from './support/rows.js';

type Expected = { readonly text: string } | { readonly error: string };

interface Expressions {
  readonly templates: readonly string[];
  /** The JSON of the variables. */
  readonly variables: string;
}

interface Conversations {
  readonly template: string;
  readonly tokens: Readonly<Record<string, string>>;
  readonly conversations: readonly {
    readonly name: string;
    readonly messages: readonly Message[];
    readonly options: Readonly<Record<string, unknown>>;
  }[];
}

const renderer = new TemplateRenderer();
afterAll(() => renderer.close());

const rows = worldRows<Expressions | Conversations, readonly Expected[]>('template');

/** The text, or the error that the product gives. */
const outcome = (rendering: Promise<string>): Promise<unknown> => rendering.catch((error: unknown) => error);

function check(found: unknown, expected: Expected | undefined): void {
  if (expected !== undefined && 'text' in expected) expect(found).toBe(expected.text);
  else expect(found).toBeInstanceOf(ChatTemplateError);
}

/** Of random expressions a few may be refused, but none may give another text. */
function testRandom(
  templates: readonly string[],
  variables: Readonly<Record<string, unknown>>,
  expected: readonly Expected[],
): void {
  test('every text is that of Python, and nearly none is refused', async () => {
    const found = await Promise.all(
      templates.map((template) =>
        outcome(renderer.render({ template, source: 'chat_template.jinja', date: '2024-07-26', variables })),
      ),
    );
    const texts = found.flatMap((one, at) => (typeof one === 'string' ? [[templates[at], one]] : []));
    const right = new Map(templates.map((template, at) => [template, expected[at]]));
    for (const [template, text] of texts) expect([template, { text }]).toEqual([template, right.get(template ?? '')]);
    const rendered = expected.filter((one) => 'text' in one).length;
    expect(texts.length).toBeGreaterThan(rendered * 0.95);
  });
}

describe.each(rows)('%s', (name, { input, expect: expected }) => {
  if ('templates' in input) {
    const variables = parseExact(input.variables) as Record<string, unknown>;
    if (name.startsWith('random-')) return testRandom(input.templates, variables, expected);
    test.each(input.templates.map((template, at) => [template, expected[at]] as const))('%j', async (template, one) => {
      const request = { template, source: 'chat_template.jinja', date: '2024-07-26', variables };
      check(await outcome(renderer.render(request)), one);
    });
    return;
  }
  const { template, tokens, conversations } = input;
  const files = { templates: { default: template }, specialTokens: tokens, source: 'chat_template.jinja' };
  // A text is rendered without the tokenizer.
  const chat = createChat({ files, tokenizer: {} as NativeTokenizer, endTokens: [], renderer });
  test.each(conversations.map((one, at) => [one.name, one, expected[at]] as const))(
    '%s',
    async (_case, { messages, options }, one) => {
      const { tools, add_generation_prompt, continue_final_message, ...variables } = options;
      const rendering = chat.render(messages, {
        ...(tools !== undefined && { tools: tools as object[] }),
        addGenerationPrompt: add_generation_prompt === true,
        continueFinalMessage: continue_final_message === true,
        variables,
      });
      check(await outcome(rendering), one);
    },
  );
});

test('there are expressions of every kind, and every template of TRL', () => {
  const expressions = rows.flatMap(([, { input }]) => ('templates' in input ? input.templates : []));
  expect(expressions.length).toBeGreaterThan(250);
  expect(rows.filter(([name]) => name.startsWith('trl-')).length).toBeGreaterThan(70);
});
