import { describe, expect, test } from 'vitest';
import { promptText } from '../src/message.js';

describe('the text of a prompt', () => {
  test('returns a text unchanged', () => {
    expect(promptText('as it is')).toBe('as it is');
  });

  test('joins roles and contents of messages', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why?' },
    ] as const;
    expect(promptText(messages)).toBe('system: Be brief.\n\nuser: Why?');
  });
});
