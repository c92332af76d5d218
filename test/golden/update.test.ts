import { describe, expect, test } from 'vitest';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { UpdateMetrics } from '../../src/policy/policy.js';
import {
  backends,
  bound,
  type GoldenSettings,
  modelFolder,
  openPolicy,
  type PlainBatch,
  readGolden,
  readWeights,
  relativeGap,
  temporaryFolder,
  toBatch,
  toSettings,
} from './support.js';

interface Case {
  readonly name: string;
  readonly model: string;
  readonly steps: { batch: PlainBatch; settings: GoldenSettings }[];
  /** The losses of every epoch of every step. */
  readonly metrics: Record<string, number>[][];
  readonly change: { norms: Record<string, number>; samples: [string, number, number][] };
  /** Distance of PyTorch's fp32 from these fp64 values. */
  readonly fp32: { loss: number; change: number };
}

const updates = readGolden<{ cases: Case[] }>('updates.json').cases;
const families = readGolden<{ cases: Case[] }>('families.json').cases;
const optimizer = readGolden<{ cases: Case[] }>('optimizer.json').cases;

async function runSteps(policy: LocalPolicy, { steps }: Case): Promise<UpdateMetrics[]> {
  const metrics: UpdateMetrics[] = [];
  for (const { batch, settings } of steps) metrics.push(await policy.update(toBatch(batch), toSettings(settings)));
  return metrics;
}

/** Averages over epochs, as the product reports. */
function expectedMetric(epochs: Record<string, number>[], key: string): number {
  return epochs.reduce((sum, metrics) => sum + (metrics[key] as number), 0) / epochs.length;
}

/** Loss and kl are differences of larger numbers, so their rounding error is relative to those. */
function toleranceOf(key: string, expected: number, epochs: Record<string, number>[], { fp32 }: Case): number {
  const size = `${key}_size`;
  if (epochs[0]?.[size] !== undefined) return expectedMetric(epochs, size) * bound(fp32.loss);
  return Math.abs(expected) * bound(fp32.change);
}

function checkMetrics(found: UpdateMetrics, epochs: Record<string, number>[], golden: Case): void {
  for (const key of Object.keys(epochs[0] ?? {}).filter((name) => !name.endsWith('_size'))) {
    const expected = expectedMetric(epochs, key);
    const tolerance = toleranceOf(key, expected, epochs, golden);
    expect(Math.abs((found[key] as number) - expected), `${key} ${found[key]} for ${expected}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
}

async function checkWeights(policy: LocalPolicy, { model, change, fp32 }: Case): Promise<void> {
  const folder = temporaryFolder();
  await policy.save(folder);
  const [before, after] = [readWeights(modelFolder(model)), readWeights(folder)];
  const moved = (name: string, index: number) =>
    (after.get(name)?.[index] as number) - (before.get(name)?.[index] as number);
  const samples = change.samples.map(([name, index]) => moved(name, index));
  const expected = change.samples.map(([, , value]) => value);
  expect(relativeGap(samples, expected), 'sampled weights').toBeLessThanOrEqual(bound(fp32.change));

  const names = Object.keys(change.norms);
  const norms = names.map((name) => Math.hypot(...(before.get(name) ?? []).map((_, index) => moved(name, index))));
  expect(relativeGap(norms, Object.values(change.norms)), 'norms of the changes').toBeLessThanOrEqual(
    bound(fp32.change),
  );
}

describe.each(
  backends.flatMap((backend) => [
    ['one update against plain PyTorch and TRL', backend, updates] as const,
    ['the gradient through every family', backend, families] as const,
    ['AdamW against torch.optim', backend, optimizer] as const,
  ]),
)('%s, on %s', (_, backend, cases) => {
  test.each(cases.map((golden) => [golden.name, golden] as const))('%s', async (_name, golden) => {
    const policy = await openPolicy(golden.model, { reference: true, backend });
    const metrics = await runSteps(policy, golden);
    for (const [index, epochs] of golden.metrics.entries())
      checkMetrics(metrics[index] as UpdateMetrics, epochs, golden);
    await checkWeights(policy, golden);
  });
});

/** The fixtures hold the losses of an update's first epoch, which uses the unchanged weights. */
describe.each(backends)('an evaluation of the objective, on %s', (backend) => {
  test.each(updates.map((golden) => [golden.name, golden] as const))('%s', async (_, golden) => {
    const policy = await openPolicy(golden.model, { reference: true, backend });
    const [{ batch, settings }] = golden.steps as [Case['steps'][number]];
    const { grad_norm: __, ...first } = golden.metrics[0]?.[0] ?? {};
    const found = await policy.evaluate(toBatch(batch), toSettings(settings));
    checkMetrics(found, [first], golden);
    expect(found).not.toHaveProperty('grad_norm');
    // The weights are unchanged, so the update that follows is the golden one.
    const metrics = await runSteps(policy, golden);
    for (const [index, epochs] of golden.metrics.entries())
      checkMetrics(metrics[index] as UpdateMetrics, epochs, golden);
    await checkWeights(policy, golden);
  });
});
