/** Skipping groups without signal keeps the gradient of the whole batch, measured by the update that it makes. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { emptyHistory } from '../../src/history.js';
import { type CreditedGroup, type SkipSettings, skipWithoutSignal } from '../../src/method/advantage.js';
import { assembleBatch } from '../../src/method/batch.js';
import type { Group } from '../../src/method/group.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import type { Completion, UpdateMetrics, UpdateSettings } from '../../src/policy/policy.js';
import { defaultUpdate } from '../../src/policy/settings.js';
import { createRng } from '../../src/rng.js';
import { missingEngine } from '../cli/support/cli.js';

const model = fileURLToPath(new URL('../../models/tiny', import.meta.url));
const rng = createRng(3).fork('skip');

/** A group of random completions; every second one is cut off. */
function groupOf(at: number, advantages: readonly number[]): CreditedGroup {
  const promptTokens = Int32Array.from({ length: 5 }, () => 1 + rng.int(20));
  const start = { task: { id: `t${at}`, data: null }, history: emptyHistory, intent: 'attempt' } as const;
  const rollouts = advantages.map((_, member) => {
    const tokens = Int32Array.from({ length: 2 + rng.int(5) }, () => 1 + rng.int(20));
    const finishReason = member % 2 ? 'length' : 'stop';
    const completion: Completion = { tokens, logprobs: new Float32Array(tokens.length), text: '', finishReason };
    const verdict = { quality: 0, wellFormed: true };
    return {
      ...{ start, history: emptyHistory, quality: 0 },
      turns: [{ promptTokens, completion, verdict }],
      outcome: { kind: 'finished' } as const,
    };
  });
  const numbers = new Float64Array(advantages.length);
  const group: Group = { start, rollouts, rewards: numbers, qualities: numbers, score: 0, columns: [] };
  return { group, advantages: Float64Array.from(advantages) };
}

const credited = [
  [1, -1, 0.5, 0],
  [0, 0, 0, 0],
  [-0.3, 0.3, 0.1, 0.2],
  [0, 0, 0, 0],
  [0, 0, 0, 0],
].map((one, at) => groupOf(at, one));

type Normalisation = UpdateSettings['objective']['normalisation'];

async function gradientOf(
  groups: readonly CreditedGroup[],
  { objective, overlongFilter }: SkipSettings,
): Promise<UpdateMetrics> {
  const policy = await LocalPolicy.load(model, { device: 'cpu', threads: 1 });
  try {
    return await policy.update(assembleBatch(groups, overlongFilter), {
      ...{ ...defaultUpdate, learningRate: 1e-3, adamBeta2: 0.99, maxGradNorm: 0, microbatchTokens: 4096 },
      objective: { ...defaultUpdate.objective, normalisation: objective.normalisation as Normalisation },
    });
  } finally {
    await policy.close();
  }
}

describe.skipIf(missingEngine !== undefined)('skipping groups without signal', () => {
  test.each(
    [{ kind: 'sequence-mean' }, { kind: 'token-mean' }, { kind: 'constant', length: 6 }].flatMap((normalisation) =>
      [true, false].map((filter) => [normalisation, filter] as const),
    ),
  )('loss and gradient norm by %o stay, overlong filter %s', async (normalisation, overlongFilter) => {
    const settings = { objective: { normalisation }, overlongFilter };
    const kept = skipWithoutSignal(credited, settings);
    expect(kept).toHaveLength(2);
    const [whole, skipped] = [await gradientOf(credited, settings), await gradientOf(kept, settings)];
    expect(Math.abs((skipped.grad_norm ?? 0) / (whole.grad_norm ?? 1) - 1)).toBeLessThan(2e-6);
    expect(skipped.loss).toBeCloseTo(whole.loss ?? Number.NaN, 6);
    const careless = await gradientOf(
      credited.filter((_, at) => at === 0 || at === 2),
      settings,
    );
    expect(Math.abs((careless.grad_norm ?? 0) / (whole.grad_norm ?? 1) - 1)).toBeGreaterThan(0.1);
  });

  test('keeps one group of a batch without signal, and every group of a batch with signal everywhere', () => {
    const settings = { objective: { normalisation: { kind: 'sequence-mean' } }, overlongFilter: true };
    expect(skipWithoutSignal([credited[1], credited[3]] as CreditedGroup[], settings)).toEqual([credited[1]]);
    const kept = [credited[0], credited[2]] as CreditedGroup[];
    expect(skipWithoutSignal(kept, settings)).toBe(kept);
  });
});
