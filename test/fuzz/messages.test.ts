/** Fuzzes the reader of messages: it reads or names the message, and what it read it reads again. */
import { expect } from 'vitest';
import { templateMessage } from '../../src/chat/template.js';
import { marksFor } from '../../src/chat/template-marks.js';
import { ChatTemplateError } from '../../src/errors.js';
import { describeProblem, readMessages } from '../../src/read-messages.js';
import { worldRows } from '../world/support/rows.js';
import { fuzz } from './support/fuzz.js';
import { mutatedJson } from './support/mutations.js';

/** Takes messages as a chat does, which refuses those that are nested too deep. */
function show(messages: readonly Parameters<typeof templateMessage>[0][]): void {
  try {
    marksFor(messages.map(templateMessage));
  } catch (error) {
    if (!ChatTemplateError.isInstance(error)) throw error;
  }
}

function read(list: readonly unknown[]): void {
  const { messages, problems } = readMessages(list);
  expect(messages.length + problems.length).toBe(list.length);
  for (const problem of problems) expect(describeProblem(problem)).toContain(`message ${problem.at + 1}`);
  show(messages);
  const again = readMessages(messages);
  expect(again.problems).toEqual([]);
  expect(again.messages).toEqual(messages);
}

// The mutations assign keys, so that a key named __proto__ is left to its own row.
const rows = worldRows<{ readonly messages: string }, unknown>('message')
  .map(([, { input }]) => input.messages)
  .filter((text) => !text.includes('__proto__'))
  .map((text): unknown => JSON.parse(text));

for (const [at, messages] of rows.entries()) {
  if (at % 6 === 0)
    fuzz(`messages-${at}`, mutatedJson(messages), (value) => read(Array.isArray(value) ? value : [value]));
}
