/** A line whose prompt, tokens or settings the model refuses is an error with the file and number of the line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { modelFolder } from '../golden/support.js';
import { runCli } from './support/cli.js';

let file = '';
beforeAll(() => {
  file = join(mkdtempSync(join(tmpdir(), 'exit-rl-refused-')), 'lines.jsonl');
});
afterAll(() => rmSync(join(file, '..'), { recursive: true, force: true }));

test.each([
  ['generate', 'it has no token', '{"prompt":""}'],
  ['generate', 'token 100000 is outside the vocabulary', '{"tokens":[1,100000]}'],
  ['generate', '`n`', '{"tokens":[1],"n":4294967296}'],
  ['generate', '`stopTokenIds`', '{"tokens":[1],"stop_token_ids":[100000]}'],
  ['generate', 'the prompt has 100000 tokens', JSON.stringify({ tokens: Array(100_000).fill(1) })],
  ['generate', '`messages` has no message', '{"messages":[]}'],
  ['generate', 'no chat template', '{"messages":[{"role":"user","content":"x"}]}'],
  ['score', 'token 100000 is outside the vocabulary', '{"tokens":[100000]}'],
  ['score', 'it has 100000 tokens, the context holds', JSON.stringify({ tokens: Array(100_000).fill(1) })],
])('%s names the line: %s', async (command, reason, line) => {
  writeFileSync(file, `{"tokens":[1,2]}\n${line}\n`);
  const { code, stderr } = await runCli([command, '--model', modelFolder('qwen2'), '--threads', '1', '--input', file]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/lines\.jsonl:2: /);
  expect(stderr).toContain(reason);
});
