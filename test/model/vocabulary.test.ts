/** A tokenizer may know more tokens than the model: it loads with a notice, and a text that uses one is an error. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { modelFolder, openPolicy } from '../golden/support.js';
import { changeJson, copyModel } from '../support/model-folder.js';

test('a token beyond the vocabulary is an error only where it is used', async () => {
  const folder = copyModel('llama-tied');
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(join(modelFolder('qwen2'), name), join(folder, name));
  }
  const lines: string[] = [];
  const policy = await openPolicy(folder, { onNotice: (line) => void lines.push(line) });
  expect(lines).toEqual([
    expect.stringContaining("outside the model's vocabulary of 96, so that no text may hold them"),
  ]);
  const texts = ['the', 'Grüße', 'model', 'small', 'answer', 'emoji 🙂'];
  const tokens = policy.encode(texts);
  const isKnown = (ids: Int32Array): boolean => ids.every((id) => id < 96);
  expect(new Set(tokens.map(isKnown))).toEqual(new Set([true, false]));
  for (const [at, prompt] of texts.entries()) {
    const asked = policy.generate({ prompt, sampling: { maxNewTokens: 2 } });
    if (isKnown(tokens[at] ?? new Int32Array())) expect((await asked).completions).toHaveLength(1);
    else await expect(asked).rejects.toThrow(/token \d+ .*outside the vocabulary of 96/);
  }
});

test('an unknown key of tokenizer_config.json is ignored with a notice, one that changes ids is refused', async () => {
  const folder = copyModel('llama-tied');
  changeJson(folder, 'tokenizer_config.json', { my_note: 'x', padding_side: 'left', auto_map: { AutoTokenizer: 'x' } });
  const lines: string[] = [];
  await openPolicy(folder, { onNotice: (line) => void lines.push(line) });
  expect(lines).toEqual([expect.stringContaining('tokenizer_config.json`: `auto_map`, `my_note` are ignored')]);
  changeJson(folder, 'tokenizer_config.json', { split_special_tokens: true });
  await expect(openPolicy(folder)).rejects.toThrow(/tokenizer_config\.json.*`split_special_tokens` is `true`/);
});
