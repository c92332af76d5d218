/** Every `@example` of the sources is a program that compiles, and runs where it can run offline; so is the pages' TypeScript. */
import { describe, expect, test } from 'vitest';
import { missingEngine } from './cli/support/cli.js';
import { pageExamples } from './contributing/page-examples.js';
import {
  checkExamples,
  findExamples,
  publicEntries,
  runExample,
  withoutExample,
} from './support/docstring-examples.js';

const examples = findExamples();
// One program for all of them: the compiler takes most of the time. test/contributing/pages.test.ts runs those of the pages.
const checked = checkExamples([...examples, ...pageExamples()]);

describe('an example of a docstring', () => {
  test('is found, with the entries that it imports', () => {
    expect(examples.length).toBeGreaterThan(20);
    expect(publicEntries().get('exit-rl')).toBe('src/index.ts');
  });

  test('type-checks as a user writes it', () => {
    expect(checked.errors).toEqual([]);
  });

  test('is present on every exported function and public method', () => {
    expect(withoutExample(checked.program, ['src/'])).toEqual([]);
  });

  const runnable = examples.filter(({ runs }) => runs);

  test.skipIf(missingEngine !== undefined).each(runnable)('$place runs', (example) => runExample(example));
});
