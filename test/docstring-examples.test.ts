/** Every `@example` of the sources is a program that compiles, and runs where it can run offline. */
import { describe, expect, test } from 'vitest';
import { missingEngine } from './cli/support/cli.js';
import {
  checkExamples,
  findExamples,
  publicEntries,
  runExample,
  withoutExample,
} from './support/docstring-examples.js';

const examples = findExamples();
const checked = checkExamples(examples);

/** Where every exported function and public method has an example. */
const exampled = [
  'src/chat/',
  'src/embedder/',
  'src/errors.ts',
  'src/hub/',
  'src/message.ts',
  'src/policy/',
  'src/prompt.ts',
];

describe('the examples of docstrings', () => {
  test('are found, and so are the entries that they import', () => {
    expect(examples.length).toBeGreaterThan(20);
    expect(publicEntries().get('exit-rl')).toBe('src/index.ts');
  });

  test('type-check as a user writes them', () => {
    expect(checked.errors).toEqual([]);
  });

  test('stand on every exported function and public method', () => {
    expect(withoutExample(checked.program, exampled)).toEqual([]);
  });

  const runnable = examples.filter(({ runs }) => runs);

  test.skipIf(missingEngine !== undefined).each(runnable)('$place runs', (example) => runExample(example));
});
