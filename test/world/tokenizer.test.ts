/** A text prompt has the special tokens that transformers' tokenizer puts around it, once. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { crossing, native } from '../../src/native.js';
import { PromptEncoder } from '../../src/policy/prompt-encoder.js';
import { goldenPath, temporaryFolder } from '../golden/support.js';
import { worldRows } from './support/rows.js';

interface Input {
  /** A folder of test/golden/tokenizers, or a tokenizer.json. */
  readonly tokenizer: string | object;
  readonly postProcessor: object | null;
  readonly config: object;
  readonly texts: readonly string[];
}

interface Expected {
  readonly ids: readonly (readonly number[])[];
  /** Without special tokens. */
  readonly alone: readonly (readonly number[])[];
}

async function openEncoder({ tokenizer, postProcessor, config }: Input): Promise<PromptEncoder> {
  const file = typeof tokenizer === 'string' ? goldenPath(`tokenizers/${tokenizer}/tokenizer.json`) : undefined;
  const content = (file === undefined ? tokenizer : JSON.parse(readFileSync(file, 'utf8'))) as object;
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...content, post_processor: postProcessor }));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return new PromptEncoder(folder, await crossing(() => native('cpu').NativeTokenizer.load(folder)), []);
}

async function encodeAll(input: Input, addSpecialTokens: boolean): Promise<number[][]> {
  const encoder = await openEncoder(input);
  const encoded = input.texts.map((text) => encoder.encode(text, {}, addSpecialTokens));
  return (await Promise.all(encoded)).map((ids) => Array.from(ids));
}

describe.each(worldRows<Input, Expected>('tokenizer'))('%s', (_name, { input, expect: expected }) => {
  test('texts have the ids of tokenizer(text), with each special token once', async () => {
    expect(await encodeAll(input, true)).toEqual(expected.ids);
  });

  test('texts that hold their special tokens have the ids of add_special_tokens=False', async () => {
    expect(await encodeAll(input, false)).toEqual(expected.alone);
  });
});
