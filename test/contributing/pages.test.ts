/** The programs on the pages run. test/docstring-examples.test.ts compiles them, beside the examples of the sources. */
import { describe, expect, test } from 'vitest';
import { missingEngine } from '../cli/support/cli.js';
import { runExample } from '../support/docstring-examples.js';
import { examplesOfPage, pageExamples } from './page-examples.js';

// Other tests run the example of README, from the checkout and from an installed package.
const programs = pageExamples().filter(({ runs, place }) => runs && !place.startsWith('README.md'));

describe('a program of a page', () => {
  test('stands for each kind of extension, and for each first step', () => {
    expect(examplesOfPage('CONTRIBUTING.md').length).toBeGreaterThan(4);
    expect(examplesOfPage('docs/library.md').length).toBeGreaterThan(7);
  });

  test.skipIf(missingEngine !== undefined).each(programs)('$place runs', (example) => {
    return runExample(example, example.files);
  });
});
