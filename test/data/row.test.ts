import { describe, expect, test } from 'vitest';
import { type DataRow, type RowSettings, rowConverter } from '../../src/data/row.js';
import { formatExact, parseExact } from '../../src/exact-json.js';

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

  test('every key of a message is kept, with the exact numbers of a call', () => {
    const lines = parseExact(`[
      {"role":"user","content":"How?"},
      {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
        {"id":"x","type":"function","function":{"name":"add","arguments":"{\\"a\\": 12345678901234567891}"}}]},
      {"role":"tool","tool_call_id":"x","content":[{"type":"text","text":"2"}]}]`);
    const { row, problems } = convert({ prompt: lines });
    expect(problems).toEqual([]);
    expect(formatExact(row?.prompt)).toBe(
      '[{"role":"user","content":"How?"},' +
        '{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"x","type":"function",' +
        '"function":{"name":"add","arguments":{"a":12345678901234567891}}}]},' +
        '{"role":"tool","tool_call_id":"x","content":"2"}]',
    );
  });

  test('a conversation may end with the assistant, to be continued', () => {
    const prompt = [user, { role: 'assistant', content: 'So' }];
    expect(convert({ prompt }).row?.prompt).toEqual(prompt);
  });

  test.each([
    ['a misspelt role', [{ role: 'assistent', content: 'x' }], "did you mean 'assistant'"],
    [
      'a content that is not a text',
      [{ role: 'user', content: [{ type: 'image' }] }],
      'message 1 (user): `content[0]`',
    ],
    ['an entry that is not an object', ['hello'], 'message 1 must be an object'],
    ['an empty conversation', [], 'the conversation is empty'],
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
