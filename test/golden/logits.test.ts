import { describe, expect, test } from 'vitest';
import { backends, largestGap, modelNames, openPolicy, readGolden, toTokenBatch } from './support.js';

interface WithLogprobs {
  readonly prompt: number[];
  readonly completion: number[];
  readonly 'logprobs@1': number[];
  readonly 'logprobs@0.7': number[];
}

interface ModelGolden {
  readonly sequences: WithLogprobs[];
  readonly rows: { prompt: number[]; logprobs: number[] }[];
  readonly greedy: { prompt: number[]; tokens: number[]; finish: 'stop' | 'length' }[];
  readonly texts: { text: string; tokens: number[]; decoded: string }[];
}

const golden = readGolden<Record<string, ModelGolden>>('logits.json');
const tolerance = 1e-4;

describe.each(modelNames.flatMap((name) => backends.map((backend) => [name, backend] as const)))(
  '%s on %s, as transformers computes it in fp32',
  (name, backend) => {
    const { sequences, rows, greedy, texts } = golden[name] as ModelGolden;

    test.each(['logprobs@1', 'logprobs@0.7'] as const)('logprobs: %s', async (key) => {
      const policy = await openPolicy(name, { backend });
      const found = await policy.logprobs(toTokenBatch(sequences), Number(key.split('@')[1]));
      const gaps = sequences.map((sequence, index) => largestGap(found[index] as Float32Array, sequence[key]));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(tolerance);
    });

    test('computes the whole log-softmax after a prompt', async () => {
      const policy = await openPolicy(name, { backend });
      for (const { prompt, logprobs } of rows) {
        const everyToken = logprobs.map((_, token) => ({
          prompt: 0,
          tokens: Int32Array.of(token),
          rollout: token,
          advantage: 0,
        }));
        const found = await policy.logprobs({ prompts: [Int32Array.from(prompt)], sequences: everyToken });
        expect(
          largestGap(
            found.map(([logprob]) => logprob as number),
            logprobs,
          ),
        ).toBeLessThanOrEqual(tolerance);
      }
    });

    test('generates the greedy tokens up to the same end', async () => {
      const policy = await openPolicy(name, { backend });
      for (const [requestId, { prompt, tokens, finish }] of greedy.entries()) {
        const sampling = { temperature: 0, maxNewTokens: finish === 'length' ? tokens.length : 128 };
        const { completions } = await policy.generate({ prompt, n: 1, sampling, seed: 1, requestId });
        expect(Array.from(completions[0]?.tokens ?? [])).toEqual(tokens);
        expect(completions[0]?.finishReason).toBe(finish);
      }
    });

    test('converts text to tokens and back', async () => {
      const policy = await openPolicy(name, { backend });
      expect(policy.encode(texts.map(({ text }) => text)).map((tokens) => Array.from(tokens))).toEqual(
        texts.map(({ tokens }) => tokens),
      );
      expect(
        policy.decode(
          texts.map(({ tokens }) => Int32Array.from(tokens)),
          { skipSpecialTokens: true },
        ),
      ).toEqual(texts.map(({ decoded }) => decoded));
    });
  },
);
