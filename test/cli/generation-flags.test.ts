/** The flags of generate and score about special tokens, rules and whole numbers, on a changed copy of a shipped model. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../golden/support.js';
import { missingEngine, runCli } from './support/cli.js';

const cafe = join(import.meta.dirname, '../../models/cafe');

/** The café model with a post-processor that puts a BOS first, and other keys in generation_config.json. */
function variant(generation: Readonly<Record<string, unknown>> = {}): string {
  const folder = temporaryFolder();
  cpSync(cafe, folder, { recursive: true });
  const change = (file: string, keys: object): void => {
    const path = join(folder, file);
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...keys }));
  };
  const token = '<|endoftext|>';
  const single = [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
  const special_tokens = { [token]: { id: token, ids: [0], tokens: [token] } };
  change('tokenizer.json', { post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens } });
  change('generation_config.json', generation);
  return folder;
}

const greedy = ['--prompt', 'soup', '--temperature', '0', '--max-new-tokens', '6', '--json', '--threads', '1'];
const answer = async (folder: string, ...more: string[]): Promise<{ tokens: number[]; stderr: string }> => {
  const { stdout, stderr, code } = await runCli(['generate', '--model', folder, ...greedy, ...more]);
  expect(code, stderr).toBe(0);
  return { tokens: JSON.parse(stdout).completions[0].tokens, stderr };
};

describe.skipIf(missingEngine !== undefined)('on a model', () => {
  test('score puts the special tokens of the tokenizer around a prompt, and none with --add-special-tokens false', async () => {
    const folder = variant();
    const input = `${JSON.stringify({ prompt: 'soup', completion: ' please' })}\n`;
    const args = ['score', '--model', folder, '--input', '-', '--threads', '1'];
    const tokens = async (...more: string[]): Promise<number[]> =>
      JSON.parse((await runCli([...args, ...more], { input })).stdout).tokens;
    const alone = await tokens('--add-special-tokens', 'false');
    expect(await tokens()).toEqual([0, ...alone]);
    expect((await runCli([...args, '--add-special-tokens', 'perhaps'], { input })).stderr).toMatch(
      /takes true or false/,
    );
  });

  test('generate applies the rules of the folder, those of --generation-kwargs first, or none', async () => {
    const plain = await answer(variant());
    const ruled = variant({ suppress_tokens: plain.tokens.slice(0, 1), repetition_penalty: 1.3 });
    const shaped = await answer(ruled);
    expect(shaped.tokens).not.toContain(plain.tokens[0]);
    expect(shaped.stderr).toBe('');
    expect(await answer(ruled, '--ignore-generation-config')).toEqual(plain);
    const off = '{"suppress_tokens":[],"repetition_penalty":1}';
    expect(await answer(ruled, '--generation-kwargs', off)).toEqual(plain);
    const wrong = await runCli([
      'generate',
      '--model',
      ruled,
      ...greedy,
      '--generation-kwargs',
      '{"repetition_penaltie":1}',
    ]);
    expect(wrong.stderr).toMatch(/did you mean repetition_penalty\?/);
    expect(wrong.code).toBe(2);
  });

  test('score at a temperature without log-probabilities, 0 or too small, prints no line and exits with 1', async () => {
    for (const [temperature, words] of [
      ['0', 'temperature'],
      ['1e-40', 'temperature 1e-40|0\\.0+1'],
    ] as const) {
      const args = ['score', '--model', cafe, '--input', '-', '--temperature', temperature, '--threads', '1'];
      const { code, stdout, stderr } = await runCli(args, { input: '{"tokens":[1,87,271]}\n' });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(new RegExp(words));
    }
  });

  test('a model without end token, and an answer that the context cuts, are a line on stderr', async () => {
    const folder = variant({ eos_token_id: [] });
    const { stderr } = await runCli([
      'generate',
      '--model',
      folder,
      '--prompt',
      'soup',
      '--max-new-tokens',
      '100000',
      '--threads',
      '1',
    ]);
    expect(stderr).toMatch(/names no end token/);
    expect(stderr).toMatch(/context of \d+ tokens was full before 1 of 1 answers ended/);
  });
});

test.each([
  ['--seed', '9007199254740993'],
  ['--seed', '1.5'],
  ['--n', '-1'],
])('%s %s is refused by its name', async (flag, value) => {
  const { code, stderr } = await runCli(['generate', '--model', cafe, '--prompt', 'a', flag, value]);
  expect(code).toBe(2);
  expect(stderr).toContain(flag);
});
