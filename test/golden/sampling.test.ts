/** Sampled tokens follow the softmax; truncated sampling draws from exactly the tokens that the definitions keep. */
import { describe, expect, test } from 'vitest';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { Sampling } from '../../src/policy/policy.js';
import { openPolicy } from './support.js';

const prompt = [7, 21, 5, 40, 33];
const vocabulary = 64;
const temperature = 0.7;
const draws = 6000;

/** Computes the probability of every token after the prompt. */
async function softmax(policy: LocalPolicy): Promise<number[]> {
  const sequences = Array.from({ length: vocabulary }, (_, token) => ({
    prompt: 0,
    tokens: Int32Array.of(token),
    rollout: token,
    advantage: 0,
  }));
  const found = await policy.logprobs({ prompts: [Int32Array.from(prompt)], sequences }, temperature);
  return found.map(([logprob]) => Math.exp(logprob as number));
}

/** Samples first tokens of many completions, and checks that each reports its log-probability under the full softmax. */
async function drawTokens(
  policy: LocalPolicy,
  options: Partial<Sampling>,
  probabilities: readonly number[],
): Promise<number[]> {
  const sampling = { temperature, maxNewTokens: 1, ...options };
  const groups = Array.from({ length: 20 }, (_, requestId) =>
    policy.generate({ prompt, n: draws / 20, sampling, seed: 99, requestId }),
  );
  const completions = (await Promise.all(groups)).flatMap((group) => group.completions);
  for (const { tokens, logprobs } of completions) {
    expect(Math.abs((logprobs[0] as number) - Math.log(probabilities[tokens[0] as number] as number))).toBeLessThan(
      1e-5,
    );
  }
  return completions.map(({ tokens }) => tokens[0] as number);
}

function count(tokens: readonly number[]): number[] {
  const counts = new Array<number>(vocabulary).fill(0);
  for (const token of tokens) counts[token] = (counts[token] as number) + 1;
  return counts;
}

/**
 * Computes Pearson's statistic in standard deviations of its normal approximation (Wilson–Hilferty). Tokens expected fewer
 * than 5 times share one bin.
 */
function chiSquareDeviation(counts: readonly number[], probabilities: readonly number[]): number {
  const bins = [{ seen: 0, expected: 0 }];
  const total = counts.reduce((sum, seen) => sum + seen, 0);
  for (const [token, seen] of counts.entries()) {
    const expected = total * (probabilities[token] as number);
    const rest = bins[0] as (typeof bins)[number];
    if (expected >= 5) bins.push({ seen, expected });
    else Object.assign(rest, { seen: rest.seen + seen, expected: rest.expected + expected });
  }
  const used = bins.filter(({ expected }) => expected > 0);
  const statistic = used.reduce((sum, { seen, expected }) => sum + (seen - expected) ** 2 / expected, 0);
  const freedom = used.length - 1;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(statistic / freedom) - (1 - spread)) / Math.sqrt(spread);
}

/** Renormalises the probabilities over the kept tokens. */
function keepOnly(probabilities: readonly number[], kept: ReadonlySet<number>): number[] {
  const mass = [...kept].reduce((sum, token) => sum + (probabilities[token] as number), 0);
  return probabilities.map((probability, token) => (kept.has(token) ? probability / mass : 0));
}

const ranked = (probabilities: readonly number[]): number[] =>
  probabilities.map((_, token) => token).sort((a, b) => (probabilities[b] as number) - (probabilities[a] as number));

/** Plain definitions; each takes probabilities and returns the kept tokens. */
const definitions = {
  topK: (probabilities: readonly number[], k: number) => new Set(ranked(probabilities).slice(0, k)),
  topP: (probabilities: readonly number[], mass: number) => {
    const kept = new Set<number>();
    let reached = 0;
    for (const token of ranked(probabilities)) {
      if (reached >= mass) break;
      kept.add(token);
      reached += probabilities[token] as number;
    }
    return kept;
  },
  minP: (probabilities: readonly number[], share: number) => {
    const floor = share * Math.max(...probabilities);
    return new Set(ranked(probabilities).filter((token) => (probabilities[token] as number) >= floor));
  },
};

/** Limit in standard deviations: every test draws from a fixed seed, and a true fault exceeds it by far. */
const acceptable = 3.5;

test('sampled tokens follow the softmax at the temperature', async () => {
  const policy = await openPolicy('llama-head-dim');
  const probabilities = await softmax(policy);
  const counts = count(await drawTokens(policy, {}, probabilities));
  expect(chiSquareDeviation(counts, probabilities)).toBeLessThan(acceptable);
  // Proves that the test can fail: the same counts do not fit the softmax at temperature 1.
  const flatter = probabilities.map((probability) => probability ** temperature);
  const mass = flatter.reduce((sum, probability) => sum + probability, 0);
  expect(
    chiSquareDeviation(
      counts,
      flatter.map((probability) => probability / mass),
    ),
  ).toBeGreaterThan(10);
});

describe.each([
  ['topK', 5],
  ['topK', 30],
  ['topP', 0.5],
  ['topP', 0.9],
  ['minP', 0.05],
  ['minP', 0.3],
] as const)('%s %d', (option, value) => {
  test('draws from the tokens that the definition keeps, in proportion', async () => {
    const policy = await openPolicy('llama-head-dim');
    const probabilities = await softmax(policy);
    const kept = definitions[option](probabilities, value);
    expect(kept.size).toBeGreaterThan(1);
    const counts = count(await drawTokens(policy, { [option]: value }, probabilities));
    const expected = keepOnly(probabilities, kept);
    for (const [token, seen] of counts.entries()) {
      if (!kept.has(token)) expect(seen, `token ${token} is cut off`).toBe(0);
      else if ((expected[token] as number) * draws > 20) expect(seen, `token ${token} is kept`).toBeGreaterThan(0);
    }
    expect(chiSquareDeviation(counts, expected)).toBeLessThan(acceptable);
  });
});

test('applies top-k, then top-p to the rest, then min-p', async () => {
  const policy = await openPolicy('llama-head-dim');
  const probabilities = await softmax(policy);
  const afterK = keepOnly(probabilities, definitions.topK(probabilities, 12));
  const afterP = keepOnly(afterK, definitions.topP(afterK, 0.9));
  const expected = keepOnly(afterP, definitions.minP(afterP, 0.1));
  const counts = count(await drawTokens(policy, { topK: 12, topP: 0.9, minP: 0.1 }, probabilities));
  expect(counts.filter((seen, token) => seen > 0 && expected[token] === 0)).toEqual([]);
  expect(chiSquareDeviation(counts, expected)).toBeLessThan(acceptable);
});
