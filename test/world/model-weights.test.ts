/** Weight files as the world publishes them: every weight is read, noted or refused, with the numbers of transformers. */
import { expect, test } from 'vitest';
import { expectRow, type ModelExpect, type ModelInput } from './support/model-rows.js';
import { worldRows } from './support/rows.js';

const rows = worldRows<ModelInput, ModelExpect>('model-weights');

test.each(rows)('%s', async (_name, { input, expect: expected }) => {
  await expectRow(input, expected);
});

test('some rows load', () => {
  expect(rows.filter(([, { expect: expected }]) => 'logprobs' in expected).length).toBeGreaterThan(5);
});
