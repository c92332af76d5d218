/** Rows as prompts: tools, conversations that end with the assistant, and rewrites of both. */
import { describe, expect, test } from 'vitest';
import { promptsFamily } from '../../src/data/prompts-family.js';
import type { DataRow } from '../../src/data/row.js';
import { DataError } from '../../src/errors.js';
import { emptyHistory, type History } from '../../src/history.js';
import type { Message, Prompt } from '../../src/message.js';

const tools = [{ type: 'function', function: { name: 'add', parameters: {} } }];
const user: Message = { role: 'user', content: 'Add 1 and 2.' };
const begun: Message = { role: 'assistant', content: 'The sum ' };
const rewritten: History = { turns: [{ iterates: [{ text: 'is 4.', tokens: [5, 6], quality: 0 }] }] };

function promptOf(row: DataRow, previousAnswer: 'messages' | 'text' = 'messages', history = emptyHistory): Prompt {
  const family = promptsFamily({ data: { train: [row], test: [] }, previousAnswer });
  const [task] = family.tasks('train');
  if (task === undefined) throw new Error('the row is no task');
  return family.prompt(task, history, history === emptyHistory ? 'attempt' : 'improve');
}

describe('the column tools', () => {
  test.each([[tools], [JSON.stringify(tools)]])('reaches the template: %j', (given) => {
    expect(promptOf({ prompt: [user], columns: { tools: given } })).toEqual({ messages: [user], tools });
  });

  test.each([[null], ['']])('may be empty: %j', (given) => {
    expect(promptOf({ prompt: [user], columns: { tools: given } })).toEqual([user]);
  });

  test('is a column like any other beside a text', () => {
    expect(promptOf({ prompt: 'Build a shed.', columns: { tools: 'hammer' } })).toBe('Build a shed.');
  });

  test.each([['hammer'], ['{"a":1}'], [['add']], [7]])('is refused with its task: %j', (given) => {
    const asking = (): Prompt => promptOf({ prompt: [user], columns: { tools: given } });
    expect(asking).toThrow(DataError);
    expect(asking).toThrow(/task train-1: `tools`/);
  });

  test('stays with a rewrite', () => {
    const prompt = promptOf({ prompt: [user], columns: { tools } }, 'messages', rewritten);
    expect(prompt).toMatchObject({ tools, messages: [user, { role: 'assistant', tokens: [5, 6] }, { role: 'user' }] });
  });
});

describe('a conversation that ends with the assistant', () => {
  const row: DataRow = { prompt: [user, begun], columns: {} };

  test('is continued', () => {
    expect(promptOf(row)).toEqual({ messages: [user, begun], continueFinalMessage: true });
  });

  test('is joined with the answer that a rewrite shows', () => {
    const answer = { role: 'assistant', content: 'The sum is 4.' };
    expect(promptOf(row, 'messages', rewritten)).toEqual({
      messages: [user, answer, expect.objectContaining({ role: 'user' })],
    });
  });

  test('is continued again where the answer is quoted', () => {
    const prompt = promptOf(row, 'text', rewritten);
    expect(prompt).toMatchObject({ continueFinalMessage: true, messages: [{ role: 'user' }, begun] });
    expect(JSON.stringify(prompt)).toContain('is 4.');
  });
});
