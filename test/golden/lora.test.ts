/** Compares adapters with PEFT; scripts/goldens/lora.py makes the fixtures. */
import { describe, expect, test } from 'vitest';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { UpdateMetrics, UpdateSettings } from '../../src/policy/policy.js';
import {
  adapterFolder,
  type Backend,
  backends,
  baseOf,
  bound,
  type GoldenSettings,
  largestGap,
  modelFolder,
  onPolicySettings,
  openPolicy,
  type PlainBatch,
  readGolden,
  readWeights,
  relativeGap,
  temporaryFolder,
  toBatch,
  toSettings,
  toTokenBatch,
} from './support.js';

interface Case {
  readonly name: string;
  readonly adapter: string;
  readonly steps: { batch: PlainBatch; settings: GoldenSettings; blend?: number }[];
  readonly metrics: Record<string, number>[][];
  readonly change: { norms: Record<string, number>; samples: [string, number, number][] };
  readonly fp32: { loss: number; change: number };
}

interface WithLogprobs {
  readonly prompt: number[];
  readonly completion: number[];
  readonly 'logprobs@1': number[];
  readonly 'logprobs@0.7': number[];
}

const golden = readGolden<Record<string, { sequences: WithLogprobs[]; updates: Case[] }>>('lora.json');
const names = Object.keys(golden);
const combinations = names.flatMap((name) => backends.map((backend) => [name, backend] as const));

async function runSteps(policy: LocalPolicy, { steps }: Case): Promise<UpdateMetrics[]> {
  const metrics: UpdateMetrics[] = [];
  for (const { batch, settings, blend } of steps) {
    metrics.push(await policy.update(toBatch(batch), toSettings(settings)));
    if (blend !== undefined) await policy.blendReference(blend);
  }
  return metrics;
}

function checkMetrics(found: UpdateMetrics, expected: Record<string, number>, { fp32 }: Case): void {
  const { loss_size: lossSize = 0, kl_size: klSize = 0, ...values } = expected;
  for (const [key, value] of Object.entries(values)) {
    const relative = Math.abs(value) * bound(fp32.change);
    // Loss and kl are differences, whose rounding error is relative to the operands.
    const tolerance = { loss: lossSize * bound(fp32.loss), kl: relative + klSize * 1e-6 }[key] ?? relative;
    expect(Math.abs((found[key] as number) - value), `${key} ${found[key]} for ${value}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
}

async function checkAdapter(policy: LocalPolicy, { adapter, change, fp32 }: Case): Promise<void> {
  const folder = temporaryFolder();
  await policy.save(folder);
  const before = readWeights(adapterFolder(adapter));
  const after = readWeights(folder);
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  const moved = (name: string, index: number) =>
    (after.get(name)?.[index] as number) - (before.get(name)?.[index] as number);
  const samples = change.samples.map(([name, index]) => moved(name, index));
  const expected = change.samples.map(([, , value]) => value);
  expect(relativeGap(samples, expected), 'sampled numbers of A and B').toBeLessThanOrEqual(bound(fp32.change));
  const norms = Object.keys(change.norms).map((name) =>
    Math.hypot(...(before.get(name) ?? []).map((_, index) => moved(name, index))),
  );
  expect(relativeGap(norms, Object.values(change.norms)), 'norms of the changes').toBeLessThanOrEqual(
    bound(fp32.change),
  );
}

const openAdapted = (name: string, backend: Backend): Promise<LocalPolicy> =>
  openPolicy(baseOf(name), { adapter: adapterFolder(name), backend });

describe.each(combinations)('%s on %s, as PEFT computes it in fp32', (name, backend) => {
  const { sequences, updates } = golden[name] as (typeof golden)[string];

  test.each(['logprobs@1', 'logprobs@0.7'] as const)('logprobs: %s', async (key) => {
    const policy = await openAdapted(name, backend);
    const found = await policy.logprobs(toTokenBatch(sequences), Number(key.split('@')[1]));
    const gaps = sequences.map((sequence, index) => largestGap(found[index] as Float32Array, sequence[key]));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1e-4);
  });

  test.each(updates.map((one) => [one.name, one] as const))('update: %s', async (_, one) => {
    const policy = await openAdapted(name, backend);
    const metrics = await runSteps(policy, one);
    for (const [index, [expected]] of one.metrics.entries())
      checkMetrics(metrics[index] as UpdateMetrics, expected as Record<string, number>, one);
    await checkAdapter(policy, one);
  });

  test('sampling and training see the same numbers', async () => {
    const policy = await openAdapted(name, backend);
    const request = { prompt: [5, 9, 7, 6], n: 4, seed: 3, requestId: 1 };
    const { promptTokens, completions } = await policy.generate({
      ...request,
      sampling: { temperature: 1, maxNewTokens: 12 },
    });
    const sequences = completions.map(({ tokens, logprobs }, rollout) => ({
      ...{ prompt: 0, tokens, rollout, behaviourLogprobs: logprobs },
      advantage: rollout - 1.5,
    }));
    const metrics = await policy.update({ prompts: [promptTokens], sequences }, onPolicySettings);
    const largest = metrics['sampling/sampling_logp_difference/max'] as number;
    if (backend === 'kernels') expect(largest).toBe(0);
    else expect(largest).toBeLessThanOrEqual(1e-5);
  });

  test('a new adapter changes nothing, bit for bit', async () => {
    const [base, adapted] = [
      await openPolicy(baseOf(name), { backend }),
      await openPolicy(baseOf(name), { backend, lora: { rank: 4, alpha: 8, seed: 7 } }),
    ];
    const batch = toTokenBatch(sequences);
    expect(await adapted.logprobs(batch)).toEqual(await base.logprobs(batch));
    expect(adapted.info().trainedParameters).toBeLessThan(base.info().parameters);
  });

  test('saving and loading again gives the same bits', async () => {
    const policy = await openAdapted(name, backend);
    const folder = temporaryFolder();
    await policy.save(folder);
    const again = await openPolicy(folder, { backend });
    const batch = toTokenBatch(sequences);
    expect(await again.logprobs(batch)).toEqual(await policy.logprobs(batch));
    expect(readWeights(folder)).toEqual(readWeights(adapterFolder(name)));
  });
});

test('the base is unchanged, and every merge begins from it', async () => {
  const policy = await openPolicy('llama-tied', { lora: { rank: 2, alpha: 4 } });
  const { sequences } = golden['llama-tied'] as (typeof golden)[string];
  const batch = toTokenBatch(sequences);
  const before = await policy.logprobs(batch);
  const training = toBatch((golden['llama-tied'] as (typeof golden)[string]).updates[0]?.steps[0]?.batch as PlainBatch);
  for (let step = 0; step < 3; step++) await policy.update(training, { ...onPolicySettings, learningRate: 1e-2 });
  expect(await policy.logprobs(batch)).not.toEqual(before);
  const folder = temporaryFolder();
  await policy.save(folder);
  const again = await openPolicy(folder);
  expect(await again.logprobs(batch)).toEqual(await policy.logprobs(batch));
  const base = await openPolicy(modelFolder('llama-tied'));
  expect(await base.logprobs(batch)).toEqual(before);
});

/** Makes one update of a new adapter with dropout 0.3; returns A, B and the metrics. */
async function updateWithDropout(
  options: { readonly seed?: number; readonly dropout?: number },
  settings: Partial<UpdateSettings>,
): Promise<{ readonly weights: Map<string, Float32Array>; readonly metrics: UpdateMetrics }> {
  const { seed = 7, dropout = 0.3 } = options;
  const policy = await openPolicy('llama-tied', { backend: 'torch', lora: { rank: 4, alpha: 8, dropout, seed } });
  const training = toBatch((golden['llama-tied'] as (typeof golden)[string]).updates[0]?.steps[0]?.batch as PlainBatch);
  const all = { ...onPolicySettings, learningRate: 1e-2, ...settings };
  await policy.update(training, all);
  // A has no gradient in the first step, because B is zero.
  const metrics = await policy.update(training, all);
  const folder = temporaryFolder();
  await policy.save(folder);
  return { weights: readWeights(folder), metrics };
}

describe('dropout', () => {
  // Several passes per update, each with a different mask.
  test.each([4096, 24])('recomputed activations use the same masks, %i tokens per pass', async (microbatchTokens) => {
    const plain = await updateWithDropout({}, { microbatchTokens });
    const again = await updateWithDropout({}, { microbatchTokens, gradientCheckpointing: true });
    for (const [name, values] of plain.weights) {
      expect(relativeGap(again.weights.get(name) ?? [], values), name).toBeLessThanOrEqual(1e-5);
    }
    for (const key of ['loss', 'grad_norm', 'entropy']) {
      expect(again.metrics[key], key).toBeCloseTo(plain.metrics[key] as number, 6);
    }
  });

  test('other masks give other gradients', async () => {
    const [plain, other, none] = [
      await updateWithDropout({}, {}),
      await updateWithDropout({ dropout: 0.31 }, {}),
      await updateWithDropout({ dropout: 0 }, {}),
    ];
    expect(other.metrics.grad_norm).not.toBeCloseTo(plain.metrics.grad_norm as number, 4);
    expect(none.metrics.grad_norm).not.toBeCloseTo(plain.metrics.grad_norm as number, 4);
  });

  test('an evaluation of the objective applies no dropout', async () => {
    const batch = toBatch((golden['llama-tied'] as (typeof golden)[string]).updates[0]?.steps[0]?.batch as PlainBatch);
    const evaluate = async (dropout: number): Promise<UpdateMetrics> => {
      const policy = await openPolicy('llama-tied', {
        backend: 'torch',
        lora: { rank: 4, alpha: 8, dropout, seed: 7 },
      });
      return policy.evaluate(batch, onPolicySettings);
    };
    expect(await evaluate(0.3)).toEqual(await evaluate(0));
  });
});
