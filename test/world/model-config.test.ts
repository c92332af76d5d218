/** config.json as the world publishes it: loads with the numbers of transformers, or is refused by the key that changes them. */
import { expect, test } from 'vitest';
import { expectRow, type ModelExpect, type ModelInput } from './support/model-rows.js';
import { worldRows } from './support/rows.js';

const rows = worldRows<ModelInput, ModelExpect>('model-config');

test.each(rows)('%s', async (_name, { input, expect: expected }) => {
  await expectRow(input, expected);
});

test('some rows load', () => {
  expect(rows.filter(([, { expect: expected }]) => 'logprobs' in expected).length).toBeGreaterThan(5);
});
