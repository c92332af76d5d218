/** adapter_config.json as libraries publish it, beside A and B of rank 3 for q_proj and v_proj on a base with a tied head. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ModelFolderError } from '../../src/errors.js';
import { adapterFolder, modelFolder, openPolicy } from '../golden/support.js';
import { worldRows } from './support/rows.js';

interface Input {
  readonly config: Record<string, unknown>;
}
type Expect = { readonly loads: true } | { readonly refused: string };

function publishedFolder({ config }: Input): string {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-adapter-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(adapterFolder('qwen2'), 'adapter_model.safetensors'), join(folder, 'adapter_model.safetensors'));
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  return folder;
}

test.each(worldRows<Input, Expect>('adapter-config'))('%s', async (_name, { input, expect: expected }) => {
  const loading = openPolicy(modelFolder('qwen2'), { adapter: publishedFolder(input) });
  if ('loads' in expected) {
    const policy = await loading;
    expect(policy.info().trainedParameters).toBeLessThan(policy.info().parameters);
    return;
  }
  const failure = await loading.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ModelFolderError);
  expect((failure as Error).message).toContain(expected.refused);
});
