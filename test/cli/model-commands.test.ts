/** Runs generate, score, embed and evaluate on the shipped model. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenPath, largestGap, readGolden } from '../golden/support.js';
import { greedyPrompt, missingEngine, prompt, runCli, tinyModel } from './support/cli.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-model-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Line {
  readonly completions: readonly { text: string; tokens: number[]; logprobs: number[]; finishReason: string }[];
  readonly tokens: number[];
  readonly logprobs: (number | null)[];
  readonly embedding: number[];
}

const parse = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

async function lines(args: readonly string[], input?: string): Promise<Line[]> {
  const { stdout, stderr, code } = await runCli(args, input === undefined ? {} : { input });
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return parse(stdout);
}

const model = ['--model', tinyModel, '--threads', '1'];

describe.skipIf(missingEngine !== undefined)(`commands on a model${missingEngine ? ` (${missingEngine})` : ''}`, () => {
  test('generate answers every line in order and repeatably, and score gives the same log-probabilities', async () => {
    const file = join(root, 'prompts.jsonl');
    await writeFile(
      file,
      [{ prompt }, { tokens: [1, 4, 5] }, { prompt }].map((line) => JSON.stringify(line)).join('\n'),
    );
    const args = ['generate', ...model, '--input', file, '--n', '3', '--max-new-tokens', '6', '--seed', '11'];
    const answers = await lines(args);
    expect(answers.map(({ completions }) => completions.length)).toEqual([3, 3, 3]);
    expect(answers[0]).not.toEqual(answers[2]);
    expect(await lines(args)).toEqual(answers);
    const first = answers[1]?.completions[0];
    const tokens = [1, 4, 5, ...(first?.tokens ?? [])];
    const [computed] = await lines(['score', ...model, '--input', '-'], JSON.stringify({ tokens }));
    expect(computed?.tokens).toEqual(tokens);
    expect(computed?.logprobs[0]).toBeNull();
    computed?.logprobs.slice(3).forEach((logprob, at) => {
      expect(logprob).toBeCloseTo(first?.logprobs[at] ?? Number.NaN, 4);
    });
  });

  test('generate --stop truncates the text and keeps the tokens', async () => {
    const args = ['generate', ...model, '--prompt', prompt, '--max-new-tokens', '6', '--seed', '11', '--json'];
    const words = ((await lines(args))[0]?.completions[0]?.text ?? '').split(' ');
    expect(words).toHaveLength(5);
    const [third = '', fourth = ''] = words.slice(2);
    const stopped = (await lines([...args, '--stop', 'never', `--stop=${third}`, '--stop', fourth]))[0];
    expect(stopped?.completions).toMatchObject([{ text: `${words[0]} ${words[1]} `, finishReason: 'stop' }]);
    expect(stopped?.completions[0]?.tokens).toHaveLength(3);
    const kept = (await lines([...args, '--stop', third, '--include-stop-text']))[0];
    expect(kept?.completions[0]?.text).toBe(words.slice(0, 3).join(' '));
    const streamed = await runCli([...args.slice(0, -1), '--stop', third]);
    expect(streamed.stdout).toBe(`${words[0]} ${words[1]} \n`);
    expect((await runCli([...args, '--stop', ''])).code).toBe(2);
  });

  test('greedy generation prints a row of five words', async () => {
    const { stdout } = await runCli(['generate', ...model, ...greedyPrompt]);
    expect(stdout.trim()).toMatch(/^a\d b\d c\d d\d e\d$/);
  });

  test('score accepts prompt and completion, and a single token', async () => {
    const input = `${JSON.stringify({ prompt: '<bos> solve', completion: 'a1 b2' })}\n{"tokens":[5]}\n`;
    const [pair, single] = await lines(['score', ...model, '--input', '-'], input);
    expect(pair?.tokens).toHaveLength(4);
    expect(pair?.logprobs.slice(1).every((value) => typeof value === 'number' && value < 0)).toBe(true);
    expect(single).toEqual({ tokens: [5], logprobs: [null] });
  });

  test('embed gives equal texts equal vectors', async () => {
    const input = ['a1 b2', 'b2 a1', 'c3'].map((text) => JSON.stringify({ text })).join('\n');
    const flags = ['--dimension', '64', '--maximum-length', '1', '--input', '-'];
    const [first, second, third] = await lines(['embed', ...flags], input);
    expect(first?.embedding).toHaveLength(64);
    expect(second).toEqual(first);
    expect(third).not.toEqual(first);
  });

  test.each(['minilm-old', 'bert-prompt', 'qwen3-embedding'])(
    "embed --model %s gives sentence-transformers' vectors, in the order of the lines",
    async (name) => {
      const golden = readGolden<Record<string, unknown>>('embedders.json');
      const texts = golden.texts as readonly string[];
      const cases = golden[name] as readonly { options: Record<string, string>; vectors: readonly number[][] }[];
      const input = texts.map((text) => JSON.stringify({ text })).join('\n');
      for (const { options, vectors } of cases) {
        const { prompt: before, promptName } = options;
        const flags = [
          ...(before === undefined ? [] : [`--prompt=${before}`]),
          ...(promptName === undefined ? [] : ['--prompt-name', promptName]),
        ];
        const folder = goldenPath(`embedders/${name}`);
        const found = await lines(['embed', '--model', folder, '--threads', '1', '--input', '-', ...flags], input);
        expect(found).toHaveLength(texts.length);
        const gaps = found.map(({ embedding }, at) => largestGap(embedding, vectors[at] ?? []));
        expect(Math.max(...gaps), JSON.stringify(options)).toBeLessThan(1e-4);
      }
    },
  );

  test('evaluate prints JSON or a table, and writes to --out', async () => {
    const out = join(root, 'evaluation.json');
    const args = ['evaluate', ...model, '--task', 'code-breaker', '--limit', '20', '--draws', '2', '--iterations', '3'];
    const [first] = (await lines([...args, '--json', '--out', out])) as unknown as Record<string, unknown>[];
    expect(first).toMatchObject({ k: [0, 1, 2, 3], tasks: 20, draws: 2, task: 'code-breaker', split: 'test', seed: 0 });
    expect(JSON.parse(await readFile(out, 'utf8'))).toEqual(first);
    const { stdout, stderr } = await runCli(args);
    expect(stdout).toMatch(/^20 tasks × 2 draws/m);
    expect(stdout).toMatch(/^ΔK [+−]?\d+\.\d ± \d+\.\d points solved/m);
    expect(stdout).toMatch(/^ *sum +\d+\.\d +\d+\.\d$/m);
    expect(stderr).toBe('');
  });

  test('evaluate reports a list of k from the numbers of all steps, and names the rule for unreadable answers', async () => {
    const args = ['evaluate', ...model, '--task', 'code-breaker', '--limit', '10', '--draws', '2', '--json'];
    const run = async (...flags: string[]) =>
      (await lines([...args, ...flags]))[0] as unknown as Record<string, number[]> & { unreadableRule: string };
    const all = await run('--iterations', '4');
    const listed = await run('--iterations', '0,3,4');
    const chosen = await run('--iterations=4', '--at', '3', '--unreadable', 'keep');
    expect(all.unreadableRule).toBe('count');
    expect(listed.k).toEqual([0, 3, 4]);
    expect(listed.solved).toEqual([0, 3, 4].map((k) => all.solved?.[k]));
    expect(listed.fixedTotal).toBe(all.fixedTotal);
    expect(chosen).toMatchObject({ k: [0, 3, 4], unreadableRule: 'keep', unreadable: listed.unreadable });
    expect(JSON.stringify([all, listed, chosen])).not.toContain('null');
  });

  test.each([
    [['--iterations', '0,x'], '--iterations takes whole numbers of at least 0, as in 0,1,4,16; not 0,x'],
    [['--iterations', '-1'], '--iterations takes whole numbers'],
    [['--at', ''], '--at takes whole numbers'],
    [['--iterations', '0,4', '--at', '2'], '--iterations lists the k to report, and so does --at'],
    [['--iterations', '3', '--at', '1,5'], '--at 5 is beyond --iterations 3'],
    [['--unreadable', 'drop'], '--unreadable takes count or keep, not drop'],
  ])('evaluate %j is refused as a usage error', async (flags, message) => {
    const ended = await runCli(['evaluate', ...model, '--task', 'code-breaker', ...flags]);
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(2);
  });

  test.each([
    [['generate', '--model', '/nowhere', '--prompt', 'x'], 1, 'config.json` is missing'],
    [['generate', ...model, '--prompt', 'a1 '.repeat(400)], 1, 'the context holds'],
    [['generate', ...model, '--input', '/nowhere.jsonl'], 2, '/nowhere.jsonl: cannot be read'],
    [['evaluate', ...model, '--task', 'code-breaker', '--split', 'dev'], 1, 'use train, test or fresh'],
    [['generate', ...model, '--prompt', 'x', '--device', 'cuda:99'], 1, 'cuda'],
  ])('%j fails with code %i', async (args, code, message) => {
    const ended = await runCli(args);
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(code);
  });

  test('an invalid line is an error with file and line', async () => {
    const { stderr, code } = await runCli(['score', ...model, '--input', '-'], {
      input: '{"tokens":[1,2]}\n{"tokens":[1.5]}\n',
    });
    expect(code).toBe(2);
    expect(stderr).toContain('-:2: `tokens` must be a list of token ids');
  });
});
