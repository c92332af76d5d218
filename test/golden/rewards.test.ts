/** Compares sums of rewards, built-in rewards and early stopping with the code of TRL and transformers. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { countTokens, groupMetrics } from '../../src/evaluation/group-metrics.js';
import { emptyHistory, openTurn } from '../../src/history.js';
import { aggregateAdvantages } from '../../src/method/advantage.js';
import type { Group } from '../../src/method/group.js';
import type { Rollout } from '../../src/method/rollout.js';
import { repetitionPenalty, softOverlong, thinkFormat } from '../../src/reward/built-in.js';
import { namedReward, type RewardColumn, rewardAnswers } from '../../src/reward/named.js';
import type { Answered } from '../../src/reward/reward.js';
import { rewardBatch } from '../../src/reward/reward-batch.js';
import { afterEvaluation, type BestState, isExhausted } from '../../src/run/state.js';

type Value = number | null;

interface Golden {
  readonly group: number;
  readonly cases: readonly {
    readonly rewards: readonly (readonly Value[])[];
    readonly weights: readonly number[];
    readonly scale: 'group' | 'none';
    readonly aggregation: 'sum_then_normalize' | 'normalize_then_sum';
    readonly advantages: readonly number[];
    readonly metrics: Readonly<Record<string, Value>>;
  }[];
  readonly lengths: readonly {
    readonly ids: readonly (readonly number[])[];
    readonly prompts: readonly number[];
    readonly metrics: Readonly<Record<string, number>>;
  }[];
  readonly builtIn: {
    readonly ids: readonly (readonly number[])[];
    readonly overlong: readonly { readonly longest: number; readonly buffer: number; readonly rewards: number[] }[];
    readonly repetition: readonly { readonly size: number; readonly penalty: number; readonly rewards: number[] }[];
    readonly texts: readonly string[];
    readonly think: readonly number[];
  };
  readonly stopping: readonly {
    readonly rises: boolean;
    readonly threshold: number;
    readonly patience: number;
    readonly values: readonly number[];
    readonly stopped: Value;
    readonly best: number;
  }[];
}

const golden = JSON.parse(readFileSync(new URL('./rewards.json', import.meta.url), 'utf8')) as Golden;

function answered(text: string, tokens: readonly number[] = []): Answered {
  const after = openTurn(emptyHistory, { text, tokens, quality: 0 });
  const task = { id: text, data: null };
  return { task, intent: 'attempt', prompt: 'q', before: emptyHistory, after, text, tokens, quality: 0 };
}

/** An answer of one token; a group without answers is not trained on. */
const turn = {
  promptTokens: Int32Array.of(1),
  completion: { text: 'x', tokens: Int32Array.of(2), logprobs: new Float32Array(1), finishReason: 'stop' },
  verdict: { quality: 0, wellFormed: true },
} as const;

/** Makes groups from rewards and the rewards of each function. */
function groupsOf(rewards: readonly number[], parts: readonly RewardColumn[], size: number): Group[] {
  const start = { task: { id: 't', data: null }, history: emptyHistory, intent: 'attempt' } as const;
  const rollout: Rollout = { start, turns: [turn], history: emptyHistory, quality: 0, outcome: { kind: 'finished' } };
  return Array.from({ length: rewards.length / size }, (_, at) => {
    const cut = (values: Float64Array): Float64Array => values.slice(at * size, (at + 1) * size);
    const own = Float64Array.from(rewards.slice(at * size, (at + 1) * size));
    const rollouts = new Array<Rollout>(size).fill(rollout);
    const ownColumns = parts.map((part) => ({ ...part, values: cut(part.values), trouble: new Uint8Array(size) }));
    return { start, rollouts, rewards: own, qualities: own, score: 0, columns: ownColumns };
  });
}

/** Tolerance of TRL's fp32. */
const close = (value: Value | undefined): unknown => (typeof value === 'number' ? expect.closeTo(value, 5) : value);

describe("TRL's sum over functions, advantages and metrics", () => {
  test.each(golden.cases.map((one, at) => [at, one] as const))('case %i', async (_, one) => {
    const functions = one.weights.map((weight, at) => {
      return namedReward({ batch: () => one.rewards.map((row) => row[at] ?? null) }, { name: `f${at}`, weight });
    });
    const answers = one.rewards.map((_row, at) => answered(String(at)));
    const { outcomes, columns } = await rewardAnswers(functions, [answers]);
    const rewards = outcomes.map((outcome) => (outcome.kind === 'rewarded' ? outcome.sum : Number.NaN));
    const groups = groupsOf(rewards, columns, golden.group);
    const settings = { baseline: one.scale === 'group' ? 'std' : 'mean', std: 'sample', epsilon: 1e-4 } as const;
    const aggregation = one.aggregation === 'sum_then_normalize' ? 'sum-then-normalise' : 'normalise-then-sum';
    const found = aggregateAdvantages(groups, { functions }, { ...settings, aggregation });
    const advantages = found.flatMap((group) => [...group]);
    // Equal rewards give exactly 0 here; TRL's fp32 mean may leave a rounding error divided by ε.
    expect(advantages).toEqual(one.advantages.map((value) => expect.closeTo(value, 3)));
    const metrics = groupMetrics(groups);
    // For `normalize_then_sum` TRL reports whether the whole batch has equal rewards; here it is the share of groups.
    const differs = (name: string): boolean => name === 'frac_reward_zero_std' && aggregation === 'normalise-then-sum';
    const wanted = Object.entries(one.metrics).filter(([name, value]) => value !== null && !differs(name));
    expect(Object.fromEntries(wanted.map(([name]) => [name, metrics[name]]))).toEqual(
      Object.fromEntries(wanted.map(([name, value]) => [name, close(value)])),
    );
  });
});

describe("TRL's metrics of completions", () => {
  test.each(golden.lengths.map((one, at) => [at, one] as const))('case %i', (_, { ids, prompts, metrics }) => {
    const [group] = groupsOf(new Array<number>(ids.length).fill(0), [], ids.length);
    const rollouts = ids.map((tokens, at): Rollout => {
      // 2 is the end of sequence of the fixture.
      const finishReason = tokens.at(-1) === 2 ? 'stop' : 'length';
      const completion = {
        tokens: Int32Array.from(tokens),
        logprobs: new Float32Array(),
        text: '',
        finishReason,
      } as const;
      const verdict = { quality: 0, wellFormed: true };
      const turn = { promptTokens: new Int32Array(prompts[at] ?? 0), completion, verdict };
      return { ...(group?.rollouts[0] as Rollout), turns: [turn] };
    });
    const groups = [{ ...(group as Group), rollouts }];
    const found: Record<string, number> = { ...groupMetrics(groups), num_tokens: countTokens(groups) };
    expect(Object.fromEntries(Object.keys(metrics).map((name) => [name, found[name]]))).toEqual(
      Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, close(value)])),
    );
  });
});

describe("TRL's reward functions", () => {
  const { ids, overlong, repetition, texts, think } = golden.builtIn;
  const batch = rewardBatch(ids.map((tokens) => answered('', tokens)));

  test.each(overlong)('soft overlong punishment of $longest with a buffer of $buffer', ({ rewards, ...settings }) => {
    expect(softOverlong(settings)(batch)).toEqual(rewards.map((value) => expect.closeTo(value, 8)));
  });

  test.each(repetition)('repetition penalty over $size tokens', ({ rewards, ...settings }) => {
    expect(repetitionPenalty(settings)(batch)).toEqual(rewards.map((value) => expect.closeTo(value, 8)));
  });

  test('think format', () => {
    expect(think.filter((value) => value === 1).length).toBeGreaterThan(5);
    expect(thinkFormat()(rewardBatch(texts.map((text) => answered(text))))).toEqual(think);
  });
});

test("transformers' early stopping and best step", () => {
  for (const { rises, threshold, patience, values, stopped, best } of golden.stopping) {
    const settings = { metric: 'reward', greaterIsBetter: rises, patience, threshold };
    let state: BestState | undefined;
    let end: number | null = null;
    for (const [at, value] of values.entries()) {
      state = afterEvaluation(settings, state, at + 1, { eval_reward: value });
      if (isExhausted(settings, state)) {
        end = at + 1;
        break;
      }
    }
    expect([end, state?.update]).toEqual([stopped, best]);
  }
});

test('a value that is not finite never becomes the best', () => {
  const settings = { metric: 'reward', patience: 2, threshold: 0 };
  const after = (state: BestState | undefined, update: number, value: number): BestState | undefined =>
    afterEvaluation(settings, state, update, { eval_reward: value });
  expect(after(undefined, 1, Number.NaN)).toBeUndefined();
  const best = after(undefined, 2, 0.5);
  expect(after(best, 3, Number.NaN)).toEqual({ update: 2, value: 0.5, withoutGain: 1 });
  expect(after(after(undefined, 1, Number.NaN), 2, 0.25)).toEqual({ update: 2, value: 0.25, withoutGain: 0 });
});
