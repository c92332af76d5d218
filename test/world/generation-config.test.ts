/** Greedy tokens are those of transformers' `generate` with the folder's generation_config.json, on both backends. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backends, modelFolder, openPolicy, temporaryFolder } from '../golden/support.js';
import { worldRows } from './support/rows.js';

interface Input {
  /** A folder of test/golden/models. */
  readonly model: string;
  readonly generationConfig: object;
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
}

interface Expected {
  readonly tokens: readonly number[];
  /** Of the model with the same end tokens and nothing else in the file. */
  readonly without: readonly number[];
}

function folderOf({ model, generationConfig }: Input): string {
  const folder = temporaryFolder();
  cpSync(modelFolder(model), folder, { recursive: true });
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(generationConfig));
  return folder;
}

const rows = worldRows<Input, Expected>('generation-config');

describe.each(rows)('%s', (_name, { input, expect: expected }) => {
  test.each(backends)('with it and without it: %s', async (backend) => {
    const policy = await openPolicy(folderOf(input), { backend, trainable: false, onNotice: () => {} });
    const greedy = async (generationConfig: boolean): Promise<number[]> => {
      const sampling = { temperature: 0, maxNewTokens: input.maxNewTokens };
      const { completions } = await policy.generate({ prompt: input.prompt, sampling, generationConfig });
      return Array.from(completions[0]?.tokens ?? []);
    };
    expect(await greedy(true)).toEqual(expected.tokens);
    expect(await greedy(false)).toEqual(expected.without);
  });
});

test('most rows change the tokens: the rules are seen', () => {
  const changed = rows.filter(([, row]) => `${row.expect.tokens}` !== `${row.expect.without}`);
  expect(changed.length).toBeGreaterThanOrEqual(14);
});
