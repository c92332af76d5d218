/** Runs from which nothing is learnt, as a user starts them. Needs the addon and the shipped model. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingEngine, runCli } from './support/cli.js';

const prompt = '<bos> solve a2 b3 c1 d6 e4 a4 b2 c1 d1 e1 previous a? b? c? d? e? answer';
const files: Readonly<Record<string, string>> = {
  'rows.jsonl': `${JSON.stringify({ prompt })}\n${JSON.stringify({ prompt })}\n`,
  'long.jsonl': `${JSON.stringify({ prompt: `<bos> ${'a1 b2 '.repeat(2500)}` })}\n`,
  'none.mjs': 'export default ({ texts }) => texts.map(() => null);',
  'right.mjs': 'export default ({ texts }) => texts.map((_, at) => at % 2 === 0);',
  'trl.mjs': 'export default (completions, kwargs) => completions.map(() => 1);',
  'text.mjs': "export default ({ texts }) => texts.map(() => '0.5');",
};

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-nothing-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
});
afterAll(() => rm(root, { recursive: true, force: true }));

let runs = 0;
function train(rewards: string, data = 'rows.jsonl') {
  const sizes = ['--updates', '3', '--startsPerBatch', '2', '--num_generations', '4', '--max_completion_length', '4'];
  const sources = ['--model', 'models/tiny', '--data.train', join(root, data), '--rewards', join(root, rewards)];
  return runCli(['train', ...sources, '--method', 'grpo', ...sizes, '--out', join(root, `run-${runs++}`), '--json']);
}

describe.skipIf(missingEngine !== undefined)(`a run${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('whose rewards are all null says so at once and at the end, and fails', async () => {
    const { code, stderr } = await train('none.mjs');
    expect(code).toBe(1);
    expect(stderr).toMatch(/`none` returned null for all 8 answers of the first update/);
    expect(stderr).toMatch(/nothing was trained/);
  });

  test('with true and false as rewards learns from them', async () => {
    const { code, stdout, stderr } = await train('right.mjs');
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/null|range|nothing/);
    expect(JSON.parse(stdout.split('\n')[0] ?? '')).toMatchObject({ reward: 0.5 });
  });

  test.each([
    ['trl.mjs', /`trl` threw: .*; functions get one object: write \(\{ completions \}\) =>/],
    ['text.mjs', /`text` returned the text '0\.5' for completion 1 of 8 \(task train-\d\), not a number/],
  ])('with %s ends after the first update', async (rewards, message) => {
    const { code, stdout, stderr } = await train(rewards);
    expect(code).toBe(1);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
  });

  test('whose prompts fill the context ends before the first update', async () => {
    const { code, stdout, stderr } = await train('right.mjs', 'long.jsonl');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/none of the 1 prompts leaves room for an answer: task train-\d/);
  });
});
