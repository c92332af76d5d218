/** Compares models/cafe with transformers: the ids of prompts and the greedy answers. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Message } from '../../src/message.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { missingEngine } from '../cli/support/cli.js';

interface Case {
  readonly messages: readonly Message[];
  readonly ids: readonly number[];
  readonly answer?: readonly number[];
}

const { cases } = JSON.parse(readFileSync(new URL('./cafe.json', import.meta.url), 'utf8')) as { cases: Case[] };

describe.skipIf(missingEngine !== undefined)('models/cafe against transformers', () => {
  let policy: LocalPolicy;
  beforeAll(async () => {
    const folder = fileURLToPath(new URL('../../models/cafe', import.meta.url));
    policy = await LocalPolicy.load(folder, { device: 'cpu', dtype: 'float32', threads: 1 });
  });
  afterAll(() => policy?.close());

  test('the chat template and tokenizer give the ids of apply_chat_template', async () => {
    expect(cases).toHaveLength(24);
    for (const { messages, ids } of cases) expect([...(await policy.encodePrompt(messages))]).toEqual(ids);
  });

  test('greedy answers are equal to the end of the turn', async () => {
    const answered = cases.filter(({ answer }) => answer !== undefined);
    expect(answered.length).toBeGreaterThan(8);
    for (const [requestId, { messages, answer }] of answered.entries()) {
      const sampling = { temperature: 0, maxNewTokens: 32 };
      const { completions } = await policy.generate({ prompt: messages, n: 1, sampling, seed: 0, requestId });
      expect([...(completions[0]?.tokens ?? [])]).toEqual(answer);
    }
  });

  test('an assistant turn keeps the tokens it was generated with', async () => {
    const [order] = cases[0]?.messages ?? [];
    const tokens = [...policy.encode(['Drink is', ' tea.']).flatMap((ids) => [...ids])];
    const again: Message = { role: 'user', content: 'Please serve again.' };
    const conversation = await policy.encodePrompt([
      order as Message,
      { role: 'assistant', content: 'Drink is tea.', tokens },
      again,
    ]);
    expect([...conversation].join(' ')).toContain(tokens.join(' '));
  });
});
