/** The same request gives the same bits, whatever other requests run; so does a repeated run. */
import { describe, expect, test } from 'vitest';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { Generated, GenerateRequest, UpdateMetrics } from '../../src/policy/policy.js';
import { supervisedObjective } from '../../src/policy/settings.js';
import { createRng } from '../../src/rng.js';
import { rolloutBatch } from './rollout-batch.js';
import { onPolicySettings, openPolicy, readWeights, relativeGap, temporaryFolder, toBatch } from './support.js';

const sampling = { temperature: 0.7, maxNewTokens: 12 };

/** Makes prompts of 1 to 40 tokens and groups of 1 to 7. */
function makeRequests(count: number): GenerateRequest[] {
  const rng = createRng(5);
  return Array.from({ length: count }, (_, requestId) => ({
    prompt: Array.from({ length: 1 + rng.int(40) }, () => 4 + rng.int(60)),
    n: 1 + rng.int(7),
    sampling,
    seed: 17,
    requestId,
  }));
}

const generateAll = (policy: LocalPolicy, requests: readonly GenerateRequest[]): Promise<Generated[]> =>
  Promise.all(requests.map((request) => policy.generate(request)));

const bits = ({ completions }: Generated) =>
  completions.map(({ tokens, logprobs }) => [Array.from(tokens), Array.from(new Uint32Array(logprobs.slice().buffer))]);

describe.each(['llama-tied', 'qwen3'])('generation of %s is bit-identical', (name) => {
  test('equals itself alone, in a batch, and in a batch of another order', async () => {
    const policy = await openPolicy(name);
    const requests = makeRequests(24);
    const together = await generateAll(policy, requests);
    const backwards = (await generateAll(policy, [...requests].reverse())).reverse();
    expect(backwards.map(bits)).toEqual(together.map(bits));
    for (const [index, request] of requests.entries()) {
      expect(bits(await policy.generate(request))).toEqual(bits(together[index] as Generated));
    }
  });

  test('equals itself on one thread and on two', async () => {
    const requests = makeRequests(24);
    const [one, two] = [await openPolicy(name, { threads: 1 }), await openPolicy(name, { threads: 2 })];
    expect((await generateAll(two, requests)).map(bits)).toEqual((await generateAll(one, requests)).map(bits));
  });

  test('the members of a larger group begin with those of a smaller one', async () => {
    const policy = await openPolicy(name);
    const [request] = makeRequests(1) as [GenerateRequest];
    const [few, many] = [await policy.generate({ ...request, n: 3 }), await policy.generate({ ...request, n: 9 })];
    expect(bits(many).slice(0, 3)).toEqual(bits(few));
  });

  test('another seed, request or member gives other tokens', async () => {
    const policy = await openPolicy(name);
    const request = {
      ...(makeRequests(1)[0] as GenerateRequest),
      n: 2,
      sampling: { temperature: 1.5, maxNewTokens: 30 },
    };
    const changed = [request, { ...request, seed: 18 }, { ...request, requestId: 1 }];
    const texts = (await generateAll(policy, changed)).flatMap(bits).map((member) => JSON.stringify(member[0]));
    expect(new Set(texts).size).toBe(texts.length);
  });
});

/** Makes three updates on new rollouts of the policy, from a seed. */
async function threeUpdates(name: string): Promise<{ metrics: UpdateMetrics[]; weights: Map<string, Float32Array> }> {
  const policy = await openPolicy(name, { reference: true });
  const metrics: UpdateMetrics[] = [];
  const objective = { ...onPolicySettings.objective, kl: { ...onPolicySettings.objective.kl, beta: 0.04 } };
  for (let update = 0; update < 3; update++) {
    const batch = await rolloutBatch(policy, { seed: 3, update, prompts: 4, groupSize: 4 });
    metrics.push(await policy.update(batch, { ...onPolicySettings, objective }));
  }
  const folder = temporaryFolder();
  await policy.save(folder);
  return { metrics, weights: readWeights(folder) };
}

test('three updates repeat bit for bit', async () => {
  const [first, second] = [await threeUpdates('qwen2'), await threeUpdates('qwen2')];
  expect(second).toEqual(first);
  expect(first.metrics[2]?.kl).toBeGreaterThan(0);
});

test.each([
  ['grpo', onPolicySettings.objective],
  ['supervised', supervisedObjective],
])('%s: cutting into microbatches changes the update by rounding only', async (_, objective) => {
  // A linear optimizer step makes the change of the weights the gradient.
  const settings = {
    ...onPolicySettings,
    objective,
    adamBeta1: 0,
    adamBeta2: 0,
    adamEpsilon: 1e3,
    learningRate: 1e7,
    maxGradNorm: 0,
  };
  const changes: Float32Array[] = [];
  for (const microbatchTokens of [1, 64, 100_000]) {
    const policy = await openPolicy('llama-tied');
    const batch = await rolloutBatch(policy, { seed: 4, update: 0, prompts: 5, groupSize: 3 });
    await policy.update(batch, { ...settings, microbatchTokens });
    const folder = temporaryFolder();
    await policy.save(folder);
    changes.push(Float32Array.from([...readWeights(folder).values()].flatMap((weights) => Array.from(weights))));
  }
  const [each, some, whole] = changes as [Float32Array, Float32Array, Float32Array];
  expect(relativeGap(some, whole)).toBeLessThanOrEqual(1e-6);
  expect(relativeGap(each, whole)).toBeLessThanOrEqual(1e-6);
});

test('a mask of ones equals no mask', async () => {
  const prompts = [[5, 6, 7]];
  const sequence = { prompt: 0, tokens: [8, 9, 10], rollout: 0, advantage: 1 };
  const [plain, masked] = [await openPolicy('llama-tied'), await openPolicy('llama-tied')];
  const found = await plain.update(toBatch({ prompts, sequences: [sequence] }), onPolicySettings);
  expect(
    await masked.update(toBatch({ prompts, sequences: [{ ...sequence, mask: [1, 1, 1] }] }), onPolicySettings),
  ).toEqual(found);
});

test('π_old from the behaviour policy needs the log-probabilities of every sequence', async () => {
  const policy = await openPolicy('llama-tied');
  const sequence = { prompt: 0, tokens: Int32Array.of(3, 4), rollout: 0, advantage: 1 };
  const batch = { prompts: [Int32Array.of(1, 2)], sequences: [sequence] };
  const objective = { ...onPolicySettings.objective, oldPolicy: 'behaviour' } as const;
  await expect(policy.update(batch, { ...onPolicySettings, objective })).rejects.toThrow(/objective\.oldPolicy/);
});
