import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { createNgramEmbedder } from '../../../src/embedder/ngram.js';
import { evaluateIterations } from '../../../src/evaluation/iterate.js';
import { emptyHistory } from '../../../src/history.js';
import { LocalPolicy } from '../../../src/policy/local-policy.js';
import { codeBreaker as recipe } from '../../../src/recipes/code-breaker.js';
import { createRng } from '../../../src/rng.js';
import { codeBreaker } from '../../../src/task/code-breaker/family.js';
import { writeInitialModel } from '../../../src/task/code-breaker/model.js';
import { parseAnswer, vocabulary } from '../../../src/task/code-breaker/words.js';

const config = parseConfig(recipe());
const family = codeBreaker();
const tasks = family.tasks('test');
const sampling = { temperature: 1, maxNewTokens: config.sampling.maxNewTokens };
let policy: LocalPolicy;

beforeAll(async () => {
  policy = await LocalPolicy.load(config.model, { device: 'cpu', threads: 1 });
});
afterAll(() => policy.close());

describe('the tokenizer of the folder', () => {
  test('gives every word its own id, in the order of the vocabulary', () => {
    expect([...(policy.encode([vocabulary.join(' ')])[0] ?? [])]).toEqual(vocabulary.map((_, id) => id));
  });

  test('encodes a prompt to 19 tokens and decodes it unchanged', () => {
    const prompt = family.prompt(tasks[0] as (typeof tasks)[0], emptyHistory, 'attempt');
    const tokens = policy.encode([prompt]);
    expect(tokens[0]).toHaveLength(19);
    expect(policy.decode(tokens)).toEqual([prompt]);
  });

  test('refuses an unknown word', () => {
    expect(() => policy.encode(['<bos> solve a9'])).toThrow();
  });
});

describe('completions of the shipped base', () => {
  test('end with the end-of-sequence token, which their text omits', async () => {
    const prompt = family.prompt(tasks[1] as (typeof tasks)[0], emptyHistory, 'attempt');
    const { completions } = await policy.generate({ prompt, n: 64, sampling, seed: 1, requestId: 1 });
    const ended = completions.filter(({ finishReason }) => finishReason === 'stop');
    expect(ended.length).toBeGreaterThan(60);
    for (const { tokens, text } of ended) {
      expect(tokens.at(-1)).toBe(vocabulary.indexOf('<eos>'));
      expect(text).toBe([...tokens.slice(0, -1)].map((id) => vocabulary[id]).join(' '));
    }
    expect(ended.filter(({ text }) => parseAnswer(text) !== undefined).length).toBeGreaterThan(60);
  });

  test('solve about the share that the model card states', async () => {
    const { solved } = await evaluateIterations({ policy, family, tasks, iterations: 8, draws: 1, sampling, seed: 3 });
    const card = await readFile(join(config.model, 'README.md'), 'utf8');
    const row = card.split('\n').find((line) => line.startsWith('| solved %')) ?? '';
    const printed = row.split('|').slice(2).map(Number);
    // 600 chains: a standard error of 0.5 points at k = 0 and 1.7 at k = 8, which is the fifth column.
    expect(Math.abs(100 * (solved[0] ?? NaN) - (printed[0] ?? NaN))).toBeLessThan(2);
    expect(Math.abs(100 * (solved[8] ?? NaN) - (printed[4] ?? NaN))).toBeLessThan(7);
  });
});

test('the recipe embeds an answer as one-hot colours per slot: no two words share a place', async () => {
  const words = vocabulary.filter((word) => /^[a-e][1-6]$/.test(word));
  const { embed, dimension } = await createNgramEmbedder(config.diversity.ngram);
  const vectors = await embed(words.map((text) => ({ text })));
  const places = words.map((_, row) => vectors.subarray(row * dimension, (row + 1) * dimension).indexOf(1));
  expect(words).toHaveLength(30);
  expect(new Set(places).size).toBe(30);
  expect(places).not.toContain(-1);
});

test('an untrained model loads and answers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'exit-rl-untrained-'));
  try {
    await writeInitialModel(folder, createRng(4));
    const untrained = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    expect(untrained.info()).toMatchObject({ parameters: 205_696, vocabularySize: 133, endTokenIds: [2] });
    const { completions } = await untrained.generate({ prompt: '<bos> solve', n: 4, sampling, seed: 1, requestId: 2 });
    expect(completions).toHaveLength(4);
    await untrained.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
