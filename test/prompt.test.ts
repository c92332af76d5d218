import { describe, expect, test } from 'vitest';
import { ConfigError } from '../src/errors.js';
import { append, emptyHistory, type Iterate, openTurn } from '../src/history.js';
import { defaultTemplates, type PromptTemplates, promptFromTemplates } from '../src/prompt.js';

const iterate = (text: string, feedback: string): Iterate => ({ text, tokens: [], quality: 0, feedback });
const one = openTurn(emptyHistory, iterate('first', 'too short'));
const rewritten = append(one, 0, iterate('second', 'better'));
const two = openTurn(rewritten, iterate('third', 'fine'));
const question = 'What?';

describe('the default templates', () => {
  test('shows the question alone for an attempt at a base task', () => {
    expect(promptFromTemplates({ question, history: emptyHistory, intent: 'attempt' })).toBe(question);
  });

  test('shows the last iterate and its feedback for a rewrite, and no older one', () => {
    const improve = promptFromTemplates({ question, history: rewritten, intent: 'improve' });
    const diverge = promptFromTemplates({ question, history: rewritten, intent: 'diverge' });
    for (const prompt of [improve, diverge]) {
      expect(prompt).toContain('second');
      expect(prompt).toContain('better');
      expect(prompt).not.toContain('first');
    }
    expect(improve).not.toBe(diverge);
  });

  test('shows earlier turns by their last iterates, in order, for every intent', () => {
    const attempt = promptFromTemplates({ question, history: two, intent: 'attempt' });
    expect(attempt).toMatch(/turn 1:\nsecond[\s\S]*turn 2:\nthird/);
    const improve = promptFromTemplates({ question, history: two, intent: 'improve' });
    expect(improve).toMatch(/turn 1:\nsecond[\s\S]*previous answer:\nthird/);
    expect(improve).not.toContain('turn 2');
  });

  test('leaves out the feedback of an iterate that has none', () => {
    const silent = openTurn(emptyHistory, { text: 'a', tokens: [], quality: 0 });
    expect(promptFromTemplates({ question, history: silent, intent: 'improve' })).not.toContain('Feedback');
  });
});

describe('custom templates', () => {
  test('replace the defaults one by one', () => {
    const templates = { improve: '{question} | {previous} | {feedback}', feedback: '<{feedback}>' };
    const prompt = promptFromTemplates({ question, history: one, intent: 'improve' }, templates);
    expect(prompt).toBe('What? | first | <too short>');
    expect(promptFromTemplates({ question, history: emptyHistory, intent: 'attempt' }, templates)).toBe(question);
  });

  test("keeps braces in the model's text", () => {
    const history = openTurn(emptyHistory, iterate('{question} {"a": 1} $&', '{previous}'));
    const prompt = promptFromTemplates({ question, history, intent: 'improve' }, { improve: '{previous}{feedback}' });
    expect(prompt).toBe(`{question} {"a": 1} $&${defaultTemplates.feedback.replace('{feedback}', '{previous}')}`);
  });

  test('refuses an unknown placeholder and lists the known ones', () => {
    const templates = { attempt: 'Q: {qestion}', improve: '{nonsense}' };
    const ask = (): string => promptFromTemplates({ question, history: emptyHistory, intent: 'attempt' }, templates);
    expect(ask).toThrow(ConfigError);
    expect(ask).toThrow(/2 problems[\s\S]*templates\.attempt[\s\S]*\{question\}[\s\S]*templates\.improve/);
  });

  test('refuses an unknown template and names the nearest', () => {
    const templates = { imrpove: '{question}' } as Partial<PromptTemplates>;
    const ask = (): string => promptFromTemplates({ question, history: emptyHistory, intent: 'attempt' }, templates);
    expect(ask).toThrow(/templates\.imrpove: unknown template \(did you mean `improve`\?\)/);
  });
});
