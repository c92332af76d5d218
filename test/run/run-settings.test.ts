/** Evaluation, the best checkpoint, early stopping, refilled batches, task orders: with the digit policy, and resumed. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig, type RunConfig } from '../../src/config/parse.js';
import { defaultAdvantage } from '../../src/config/schema.js';
import { promptsFamily } from '../../src/data/prompts-family.js';
import { listCheckpoints } from '../../src/disk/checkpoint-folders.js';
import { ConfigError } from '../../src/errors.js';
import { evaluateRewards } from '../../src/evaluation/evaluate-rewards.js';
import { measuredFamily } from '../../src/evaluation/measured.js';
import { normalisedAdvantages } from '../../src/method/advantage.js';
import { withUpdates } from '../../src/method/base-tasks.js';
import { hasSignal } from '../../src/method/collect.js';
import { createRewardPlan, type Group } from '../../src/method/group.js';
import { updateSettings } from '../../src/method/update-settings.js';
import type { UpdateBatch } from '../../src/policy/policy.js';
import { type NamedReward, namedReward } from '../../src/reward/named.js';
import { bestCheckpoint } from '../../src/run/checkpoint.js';
import { hashList, hashValue } from '../../src/run/identity.js';
import type { MetricsRow } from '../../src/run/metrics.js';
import { openRun } from '../../src/run/run.js';
import { type TrainOptions, type TrainResult, train } from '../../src/run/train.js';
import type { TaskFamily } from '../../src/task/task.js';
import { DigitPolicy, digitEmbedder } from './support/digit-policy.js';
import { digitFamily, digitRuns } from './support/digit-runs.js';
import { lasting } from './support/lasting.js';

const { model, path: at, configOf } = digitRuns();

interface Attempt extends Partial<Omit<TrainOptions, 'config'>> {
  readonly config: RunConfig;
  readonly path?: string;
  readonly resume?: boolean;
  readonly stopAfter?: number;
}

interface Trained {
  readonly result: TrainResult;
  readonly rows: MetricsRow[];
  readonly policy: DigitPolicy;
  readonly groups: (readonly Group[])[];
}

async function trainOnce({ path, resume = false, stopAfter = 0, ...attempt }: Attempt): Promise<Trained> {
  const own = attempt.family ?? digitFamily;
  const run = path === undefined ? undefined : await openRun({ config: attempt.config, family: own, path, resume });
  const policy = await DigitPolicy.load(run?.modelFolder ?? model());
  const stop = new AbortController();
  let left = stopAfter;
  policy.before = (verb) => {
    if (verb === 'update' && --left === 0) stop.abort();
  };
  const [rows, groups]: [MetricsRow[], (readonly Group[])[]] = [[], []];
  try {
    const result = await train({
      ...{ policy, embedder: digitEmbedder, signal: stop.signal, ...(run && { run }) },
      onUpdate: (row) => void rows.push(row),
      onGroups: (some) => void groups.push(some),
      ...attempt,
      family: own,
    });
    return { result, rows, policy, groups };
  } finally {
    await run?.close();
  }
}

/** Rises up to update 6 and falls from there. */
const evaluation = (every: number) => ({
  every,
  atStart: true,
  atEnd: true,
  evaluate: async (update: number) => ({ eval_reward: 1 - Math.abs(update - 6) / 10 }),
});

describe('evaluation and the best checkpoint', () => {
  test('evaluates before the first update, when due, and at the end', async () => {
    const path = at('run');
    const { rows } = await trainOnce({ config: configOf({ updates: 5 }), path, evaluation: evaluation(2) });
    expect(rows.flatMap((row) => (row.eval_reward === undefined ? [] : [row.update]))).toEqual([2, 4, 5]);
    const first = JSON.parse((await readFile(join(path, 'metrics.jsonl'), 'utf8')).split('\n')[0] ?? '');
    expect(first).toEqual({ update: 0, eval_reward: 0.4 });
  });

  test('keeps the best beyond retention, and finds it from the newest checkpoint', async () => {
    const path = at('run');
    const config = configOf({ best: { metric: 'reward' }, evaluation: { every: 3 }, checkpoint: { every: 2 } });
    const { result } = await trainOnce({ config, path, evaluation: evaluation(3) });
    expect(result).toMatchObject({ finished: true, best: { update: 6, value: 1, withoutGain: 2 } });
    const kept = (await readdir(path)).filter((name) => name.startsWith('checkpoint-')).sort();
    expect(kept).toEqual(['checkpoint-10', 'checkpoint-12', 'checkpoint-6']);
    expect((await bestCheckpoint(path))?.folder).toBe(join(path, 'checkpoint-6'));
  });

  test('stops early without gains, and stays stopped when resumed', async () => {
    const path = at('run');
    const config = configOf({ updates: 40, best: { metric: 'eval_reward', patience: 3 }, evaluation: { every: 1 } });
    const { result } = await trainOnce({ config, path, evaluation: evaluation(1) });
    expect(result).toMatchObject({ updates: 9, finished: true, best: { update: 6 } });
    const again = await trainOnce({ config, path, resume: true, evaluation: evaluation(1) });
    expect(again.rows).toEqual([]);
    expect(again.result).toMatchObject({ updates: 9, finished: true, best: { update: 6 } });
  });

  test('refuses an unknown metric and lists those of the evaluation', async () => {
    const config = configOf({ best: { metric: 'eval_rewrad' }, evaluation: { every: 1 } });
    const failing = trainOnce({ config, evaluation: evaluation(1) });
    await expect(failing).rejects.toSatisfy(
      (error) => ConfigError.isInstance(error) && error.message.includes('eval_reward'),
    );
  });
});

describe('refilled batches', () => {
  // Digits near 0 all earn 0, so most groups of an untrained policy have no signal.
  const coarse = ({ quality }: { quality: number }): number => (quality > 0.85 ? 1 : 0);
  const refill = { dynamicSampling: 'refill', method: 'grpo', maximumDraws: 30 };

  test('draw starts until a batch of groups has a signal; the curriculum observes all, training takes those', async () => {
    const { rows, groups, policy } = await trainOnce({ config: configOf(refill), reward: coarse });
    for (const [at, row] of rows.entries()) {
      expect(groups[at]?.filter((group) => hasSignal(group, configOf(refill)))).toHaveLength(
        row['dynamic_sampling/live'] ?? -1,
      );
      expect(row['dynamic_sampling/live']).toBe(3);
      expect(row['dynamic_sampling/drawn']).toBe(groups[at]?.length);
      expect(policy.batches[at]?.sequences).toHaveLength(3 * 4);
      expect(policy.batches[at]?.sequences.some(({ advantage }) => advantage !== 0)).toBe(true);
    }
    expect(rows.some((row) => (row['dynamic_sampling/drawn'] ?? 0) > 3)).toBe(true);
    expect(rows.every((row) => row['curriculum/share_attempt'] === 1)).toBe(true);
  });

  test('begin with the starts of a batch that is not refilled', async () => {
    const plain = await trainOnce({ config: configOf({ method: 'grpo', updates: 1 }), reward: coarse });
    const refilled = await trainOnce({ config: configOf({ ...refill, updates: 1 }), reward: coarse });
    const describeGroups = ({ groups }: Trained): unknown =>
      groups[0]?.slice(0, 3).map(({ rollouts }) => rollouts.map(({ history }) => history));
    expect(describeGroups(refilled)).toEqual(describeGroups(plain));
  });

  test('give a start that is drawn later new random streams', async () => {
    const { groups } = await trainOnce({ config: configOf(refill), reward: coarse });
    const answers = (group: Group | undefined): string =>
      JSON.stringify(group?.rollouts.map(({ turns }) => turns.map(({ completion }) => completion.text)));
    const pairs = groups.filter((some) => some.length > 3).map((some) => [answers(some[0]), answers(some[3])]);
    expect(pairs.length).toBeGreaterThan(2);
    expect(pairs.filter(([first, later]) => first === later).length).toBeLessThan(pairs.length / 2);
  });

  test('stop drawing at the maximum, and skip the update without a group that has a signal', async () => {
    const config = configOf({ ...refill, maximumDraws: 5, updates: 2 });
    const { rows, policy } = await trainOnce({ config, reward: () => 1 });
    expect(
      rows.map((row) => [row['dynamic_sampling/drawn'], row['dynamic_sampling/live'], row.update_skipped]),
    ).toEqual([
      [5, 0, 1],
      [5, 0, 1],
    ]);
    expect(policy.batches).toEqual([]);
  });
});

describe('task orders', () => {
  const idsOf = ({ groups }: Trained): string[] => groups.flat().map(({ start }) => start.task.id);
  const all = digitFamily.tasks('train').map(({ id }) => id);

  test('sequential and shuffled draw every task once per pass; shuffled changes the order each pass', async () => {
    const settings = { method: 'grpo', startsPerBatch: 5, updates: 8 };
    expect(idsOf(await trainOnce({ config: configOf({ ...settings, taskOrder: 'sequential' }) }))).toEqual([
      ...all,
      ...all,
    ]);
    const ids = idsOf(await trainOnce({ config: configOf({ ...settings, taskOrder: 'shuffled' }) }));
    const [first, second] = [ids.slice(0, all.length), ids.slice(all.length)];
    expect([...first].sort()).toEqual([...all].sort());
    expect([...second].sort()).toEqual([...all].sort());
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(all);
  });

  test('passes determine the number of updates', () => {
    const config = parseConfig({ task: 't', model: model(), passes: 1.5, startsPerBatch: 7 });
    expect(withUpdates(config, digitFamily).updates).toBe(Math.ceil((1.5 * all.length) / 7));
    expect(withUpdates(configOf({ passes: 3, updates: 4 }), digitFamily).updates).toBe(4);
  });
});

/** Lists the updates of the checkpoints in a run folder. */
const checkpoints = async (path: string): Promise<number[]> =>
  (await listCheckpoints(path)).map(({ update }) => update);

test('with all these settings a run that is stopped anywhere and resumed equals the uninterrupted run', async () => {
  const settings = { dynamicSampling: 'refill', taskOrder: 'shuffled', maximumDraws: 9, traces: 'all' };
  const best = { metric: 'eval_reward', patience: 4, threshold: 0.05 };
  const config = configOf({ ...settings, best, evaluation: { every: 2 }, method: 'exit' });
  const twin = at('twin');
  await trainOnce({ config, path: twin, evaluation: evaluation(2) });
  for (const stopAfter of [2, 5, 7, 9]) {
    const path = at(`cut-${stopAfter}`);
    const cut = await trainOnce({ config, path, stopAfter, evaluation: evaluation(2) });
    expect(cut.result.finished).toBe(false);
    expect((await trainOnce({ config, path, resume: true, evaluation: evaluation(2) })).result.finished).toBe(true);
    expect(await lasting(path)).toEqual(await lasting(twin));
    expect(await checkpoints(path)).toEqual(await checkpoints(twin));
  }
});

describe('a data file', () => {
  const rows = Array.from({ length: 10 }, (_, digit) => ({ prompt: 'Name a digit.', columns: { digit } }));
  const prompts = promptsFamily({
    data: { train: rows, test: rows.slice(0, 4) },
    previousAnswer: 'messages',
  }) as TaskFamily;
  const near = namedReward(
    {
      batch: ({ texts, columns }) => texts.map((text, at) => 4 - Math.abs(Number(text) - Number(columns.digit?.[at]))),
    },
    { name: 'near', range: [-5, 4] },
  );

  test('measures quality by the rescaled reward, in histories and scores, which the curriculum learns from', async () => {
    const config = configOf({ method: 'exit' });
    const { groups, rows: metrics } = await trainOnce({ config, family: prompts, rewards: [near] });
    for (const { rollouts, rewards, qualities } of groups.flat()) {
      rollouts.forEach(({ history, turns }, member) => {
        const quality = ((rewards[member] ?? 0) + 5) / 9;
        expect(qualities[member]).toBeCloseTo(Math.max(0, quality));
        expect(history.turns.at(-1)?.iterates.at(-1)?.quality).toBe(qualities[member]);
        expect(turns.at(-1)?.verdict.quality).toBe(qualities[member]);
      });
    }
    expect(metrics.some((row) => (row['curriculum/share_improve'] ?? 0) > 0)).toBe(true);
    expect(metrics[0]).toHaveProperty('rewards/near/mean');
  });

  test('gives an answer for which every function returns null advantage 0, outside of baseline, quality and buffer', async () => {
    const odd = namedReward({
      batch: ({ texts }) => texts.map((text) => (Number(text) % 2 ? null : Number(text) / 8)),
    });
    const config = configOf({ method: 'exit', updates: 4 });
    const { groups, policy } = await trainOnce({ config, family: prompts, rewards: [odd] });
    const unscored = groups
      .flat()
      .flatMap(({ rollouts }) => rollouts.filter(({ outcome }) => outcome.kind === 'unscored'));
    expect(unscored.length).toBeGreaterThan(3);
    for (const batch of policy.batches) {
      const zero = batch.sequences.filter(({ tokens }) => (tokens[0] ?? 0) % 2 === 1);
      expect(zero.every(({ advantage }) => advantage === 0)).toBe(true);
    }
  });

  test('fails the group of a reward that times out, and continues training', async () => {
    let calls = 0;
    const sometimes = namedReward(
      { batch: ({ texts }) => (++calls === 2 ? new Promise<number[]>(() => {}) : texts.map(Number)) },
      { name: 'slow', timeoutSeconds: 0.05 },
    );
    const config = configOf({ method: 'grpo', updates: 3 });
    const { rows: metrics } = await trainOnce({ config, family: prompts, rewards: [sometimes] });
    expect(metrics.map((row) => row['rewards/slow/timeouts'])).toEqual([0, 12, 0]);
    expect(metrics.map((row) => row.groups_dropped)).toEqual([0, 3, 0]);
    expect(metrics.map((row) => row.update_skipped)).toEqual([0, 1, 0]);
  });

  test('evaluates rewards on held-out rows with the prefix eval_, and chains by the same quality', async () => {
    const policy = new DigitPolicy();
    const plan = createRewardPlan({ config: { reward: 'quality' }, family: prompts, rewards: [near] });
    const tasks = prompts.tasks('test');
    const sampling = { temperature: 1, maxNewTokens: 1 };
    const options = { policy, family: prompts, tasks, plan, generations: 50, sampling, seed: 1 };
    const metrics = await evaluateRewards(options);
    expect(metrics).toEqual(await evaluateRewards(options));
    // A uniform digit against 0 … 3: the mean of 4 − |difference|.
    const expected = [0, 1, 2, 3].map(
      (right) => rows.reduce((sum, _, digit) => sum + 4 - Math.abs(digit - right), 0) / 10,
    );
    expect(metrics.eval_reward).toBeCloseTo(expected.reduce((sum, one) => sum + one) / 4, 0);
    expect(metrics).toMatchObject({ 'eval_rewards/near/mean': metrics.eval_reward, 'eval_completions/mean_length': 1 });
    const verify = measuredFamily(prompts, [near]).verify;
    const task = tasks[3];
    if (task) expect((await verify(task, { turns: [] }, '3', 'attempt', [1])).quality).toBe(1);
  });

  test('refuses a run without a reward function', async () => {
    await expect(trainOnce({ config: configOf(), family: prompts })).rejects.toThrow('needs a reward function');
  });
});

describe('reward functions that are normalised separately', () => {
  /** The sum is 1 for every answer: only separate functions distinguish answers. */
  const opposed = [
    namedReward(({ text }) => (Number(text) < 3 ? 1 : 0), { name: 'low' }),
    namedReward(({ text }) => (Number(text) < 3 ? 0 : 1), { name: 'high' }),
  ];
  const advantage = { ...defaultAdvantage, aggregation: 'normalise-then-sum', std: 'sample' } as const;

  test('give a group a signal where one of them differs, whatever their sum', async () => {
    const { groups } = await trainOnce({ config: configOf({ method: 'grpo', updates: 1 }), rewards: opposed });
    const mixed = groups.flat().find(({ columns }) => new Set(columns[0]?.values).size > 1) as Group;
    expect(new Set(mixed.rewards)).toEqual(new Set([1]));
    expect(hasSignal(mixed, { advantage: defaultAdvantage })).toBe(false);
    expect(hasSignal(mixed, { advantage })).toBe(true);
  });

  test('give the loss of an evaluation the advantages of training', async () => {
    const policy = new DigitPolicy();
    const batches: UpdateBatch[] = [];
    const evaluated = Object.assign(policy, {
      evaluate: async (batch: UpdateBatch) => {
        batches.push(batch);
        return { loss: 0 };
      },
    });
    const unequal = [{ ...(opposed[0] as NamedReward), weight: 3 }, opposed[1] as NamedReward];
    const config = configOf();
    const plan = createRewardPlan({ config, family: digitFamily, rewards: unequal });
    const shared = { policy: evaluated, family: digitFamily, tasks: digitFamily.tasks('train').slice(0, 3), plan };
    const sampling = { temperature: 1, maxNewTokens: 1 };
    const loss = { advantage, overlongFilter: false, update: updateSettings(config, 1) };
    await evaluateRewards({ ...shared, generations: 6, sampling, seed: 5, loss });
    await evaluateRewards({ ...shared, generations: 6, sampling, seed: 5, loss: { ...loss, advantage: {} } });
    const advantages = batches.map(({ sequences }) => sequences.map((one) => one.advantage));
    expect(advantages[0]).not.toEqual(advantages[1]);
    const answers = batches[0]?.sequences.map(({ tokens }) => Number(String.fromCharCode(tokens[0] ?? 0))) ?? [];
    const columnAt = (at: number): Float64Array =>
      Float64Array.from(answers.slice(6 * at, 6 * at + 6), (digit) => (digit < 3 ? 1 : 0));
    const groups = [0, 1, 2].map((at) => [
      { weight: 3, values: columnAt(at) },
      { weight: 1, values: columnAt(at).map((value) => 1 - value) },
    ]);
    expect(advantages[0]).toEqual(normalisedAdvantages(groups, { std: 'sample' }).flatMap((group) => [...group]));
  });
});

test('the fingerprint of a list equals that of the value, computed without the whole text', () => {
  for (const list of [[], [1], [{ b: 1, a: [2, null] }, 'é', { c: { e: 1, d: 2 } }]])
    expect(hashList(list)).toBe(hashValue(list));
});
