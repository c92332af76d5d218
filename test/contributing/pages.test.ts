/** The TypeScript on the pages compiles under the strictest options, and its programs run. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { missingEngine } from '../cli/support/cli.js';
import { checkExamples, runExample } from '../support/docstring-examples.js';
import { examplesOfPage } from './page-examples.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const docs = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
const pages = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', ...docs.map((file) => `docs/${file}`)];
const examples = pages.flatMap(examplesOfPage);

describe('the TypeScript of the pages', () => {
  test('is found', () => {
    expect(examplesOfPage('CONTRIBUTING.md').length).toBeGreaterThan(4);
    expect(examplesOfPage('docs/library.md').length).toBeGreaterThan(7);
  });

  test('type-checks as a user writes it', () => {
    expect(checkExamples(examples).errors).toEqual([]);
  });

  // Other tests run the example of README, from the checkout and from an installed package.
  const programs = examples.filter(({ runs, place }) => runs && !place.startsWith('README.md'));

  test.skipIf(missingEngine !== undefined).each(programs)('$place runs', (example) => {
    return runExample(example, example.files);
  });
});
