import { expect, test } from 'vitest';
import { type Demonstrated, type SupervisedSettings, trainSupervised } from '../../src/method/supervised.js';
import { learningRateAt } from '../../src/method/update-settings.js';
import type { UpdateBatch, UpdateMetrics, UpdateSettings } from '../../src/policy/policy.js';

const settings: SupervisedSettings = {
  learningRate: 4e-3,
  adamBeta1: 0.9,
  adamBeta2: 0.98,
  adamEpsilon: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 1,
  warmupUpdates: 100,
  schedule: 'linear',
  finalShare: 0.05,
  microbatchTokens: 1024,
};

interface Seen {
  readonly batch: UpdateBatch;
  readonly settings: UpdateSettings;
}

function recorder(): {
  seen: Seen[];
  policy: { update(batch: UpdateBatch, s: UpdateSettings): Promise<UpdateMetrics> };
} {
  const seen: Seen[] = [];
  const update = async (batch: UpdateBatch, given: UpdateSettings): Promise<UpdateMetrics> => {
    seen.push({ batch, settings: given });
    return { loss: 1 / seen.length };
  };
  return { seen, policy: { update } };
}

function* endless(): Generator<readonly Demonstrated[]> {
  for (;;) {
    const demonstrations = [Int32Array.of(3, 2), Int32Array.of(4, 5, 2)];
    yield [
      { prompt: Int32Array.of(1), demonstrations },
      { prompt: Int32Array.of(1, 1), demonstrations: [Int32Array.of(2)] },
    ];
  }
}

test('makes every demonstration one sequence on its prompt', async () => {
  const { seen, policy } = recorder();
  expect(await trainSupervised({ policy, batches: endless(), settings, updates: 3 })).toBe(3);
  const { prompts, sequences } = seen[0]?.batch ?? { prompts: [], sequences: [] };
  expect(prompts.map((prompt) => [...prompt])).toEqual([[1], [1, 1]]);
  expect(sequences.map(({ prompt, rollout }) => [prompt, rollout])).toEqual([
    [0, 0],
    [0, 1],
    [1, 2],
  ]);
  expect(seen[0]?.settings).toMatchObject({
    objective: { loss: { kind: 'supervised' }, normalisation: { kind: 'token-mean' } },
    weightDecay: 0.01,
    microbatchTokens: 1024,
  });
});

test('warms up to the full rate, then decays linearly to 5 %', async () => {
  const { seen, policy } = recorder();
  const rates: number[] = [];
  const onUpdate = (_: number, metrics: UpdateMetrics): unknown => rates.push(metrics.learning_rate ?? Number.NaN);
  await trainSupervised({ policy, batches: endless(), settings, updates: 800, onUpdate });
  expect(rates).toEqual(seen.map((one) => one.settings.learningRate));
  expect(rates[0]).toBeCloseTo(4e-5, 12);
  expect(rates[99]).toBeCloseTo(4e-3, 12);
  expect(rates[449]).toBeCloseTo(4e-3 * (1 - 0.95 / 2), 12);
  expect(rates[799]).toBeCloseTo(2e-4, 12);
});

test('ends with the batches, and pulls no batch that it does not use', async () => {
  const { policy } = recorder();
  let pulled = 0;
  async function* counted(): AsyncGenerator<readonly Demonstrated[]> {
    for (const batch of endless()) {
      pulled += 1;
      yield batch;
      if (pulled === 5) return;
    }
  }
  expect(await trainSupervised({ policy, batches: counted(), settings, updates: 2 })).toBe(2);
  expect(pulled).toBe(2);
  pulled = 0;
  expect(await trainSupervised({ policy, batches: counted(), settings, updates: 50 })).toBe(5);
});

test('follows cosine and constant schedules', () => {
  const optimizer = { ...settings, warmupUpdates: 0, finalShare: 0.1 };
  expect(learningRateAt(5, 10, { ...optimizer, schedule: 'cosine' })).toBeCloseTo(4e-3 * 0.55, 12);
  expect(learningRateAt(10, 10, { ...optimizer, schedule: 'cosine' })).toBeCloseTo(4e-4, 12);
  expect(learningRateAt(10, 10, { ...optimizer, schedule: 'constant' })).toBe(4e-3);
});
