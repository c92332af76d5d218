import { describe, expect, test } from 'vitest';
import { type DataRow, type RowSettings, rowConverter } from '../../src/data/row.js';

const settings: RowSettings = { promptColumn: 'prompt', chat: false };

function convert(
  row: Record<string, unknown>,
  changes: Partial<RowSettings> = {},
): { row?: DataRow; problems: string[] } {
  const problems: string[] = [];
  const converted = rowConverter({ ...settings, ...changes }, 64)(row, (message) => void problems.push(message));
  return { problems, ...(converted && { row: converted }) };
}

const user = { role: 'user', content: 'How?' };

describe('prompts', () => {
  test('a text stays a text, or with `chat` becomes a user message after the system prompt', () => {
    expect(convert({ prompt: 'How?' }).row?.prompt).toBe('How?');
    const chat = convert({ prompt: 'How?' }, { chat: true, systemPrompt: 'Be brief.' });
    expect(chat.row?.prompt).toEqual([{ role: 'system', content: 'Be brief.' }, user]);
  });

  test('a conversation keeps its own system message', () => {
    const prompt = [{ role: 'system', content: 'Mine.' }, user];
    expect(convert({ prompt }, { systemPrompt: 'Be brief.' }).row?.prompt).toEqual(prompt);
  });

  test("tool calls in a server's format are converted to ours", () => {
    const call = { id: 'x', type: 'function', function: { name: 'add', arguments: { a: 1 } } };
    const prompt = [
      user,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', name: 'add', content: '2' },
    ];
    expect(convert({ prompt }).row?.prompt).toEqual([
      user,
      { role: 'assistant', content: '', toolCalls: [{ name: 'add', arguments: { a: 1 } }] },
      { role: 'tool', content: '2', name: 'add' },
    ]);
  });

  test.each([
    ['an unknown role', [{ role: 'robot', content: 'x' }], 'message 1 has the role "robot"'],
    [
      'a content that is not a text',
      [{ role: 'user', content: [{ type: 'image' }] }],
      'message 1 has a content that is not a text',
    ],
    ['an entry that is not an object', ['hello'], 'message 1 is not an object'],
    ['an empty conversation', [], 'the conversation is empty'],
    ['an assistant message at the end', [user, { role: 'assistant', content: 'x' }], 'ends with the role assistant'],
    ['a number', 7, 'is neither a text nor a list of messages'],
  ])('%s is refused', (_, prompt, message) => {
    const { row, problems } = convert({ prompt });
    expect(row).toBeUndefined();
    expect(problems).toEqual([expect.stringContaining(message)]);
  });
});

describe('columns', () => {
  test('all columns are kept, or the named ones; a missing named column is a problem', () => {
    const row = { question: 'How?', answer: 4, source: 'book' };
    expect(convert(row, { promptColumn: 'question' }).row).toEqual({
      prompt: 'How?',
      columns: { answer: 4, source: 'book' },
    });
    expect(convert(row, { promptColumn: 'question', columns: ['answer'] }).row?.columns).toEqual({ answer: 4 });
    expect(convert(row, { promptColumn: 'question', columns: ['solution'] }).problems).toEqual([
      expect.stringContaining('has no column `solution`; it has `question`, `answer`, `source`'),
    ]);
  });
});
