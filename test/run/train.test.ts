import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunConfig } from '../../src/config/parse.js';
import { NonFiniteError, RunFolderError } from '../../src/errors.js';
import { emptyHistory } from '../../src/history.js';
import type { Curriculum, CurriculumState } from '../../src/method/curriculum.js';
import { methodNames } from '../../src/method/methods.js';
import type { MetricsRow } from '../../src/run/metrics.js';
import { openRun } from '../../src/run/run.js';
import { type TrainOptions, type TrainResult, train } from '../../src/run/train.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { ladder } from '../support/ladder.js';
import { DigitPolicy, digitEmbedder } from './support/digit-policy.js';
import { digitFamily, digitRuns } from './support/digit-runs.js';
import { lasting } from './support/lasting.js';

const { model, path: at, configOf } = digitRuns();
const family = digitFamily;

interface Attempt extends Partial<Omit<TrainOptions, 'config'>> {
  readonly config?: RunConfig;
  readonly path?: string;
  readonly resume?: boolean;
  readonly allowedChanges?: string[];
  readonly prepare?: (policy: DigitPolicy) => void;
}

async function trainOnce(
  attempt: Attempt = {},
): Promise<{ result: TrainResult; rows: MetricsRow[]; policy: DigitPolicy }> {
  const { config = configOf(), path, resume = false, allowedChanges = [], prepare, ...rest } = attempt;
  const run = path === undefined ? undefined : await openRun({ config, family, path, resume, allowedChanges });
  const policy = await DigitPolicy.load(run?.modelFolder ?? model());
  prepare?.(policy);
  const rows: MetricsRow[] = [];
  try {
    const onUpdate = (row: MetricsRow): unknown => rows.push(row);
    const options = { config, policy, family, embedder: digitEmbedder, onUpdate, ...rest, ...(run && { run }) };
    return { result: await train(options), rows, policy };
  } finally {
    await run?.close();
  }
}

describe('every method', () => {
  test.each(methodNames)('%s trains, and reports the named metrics', async (method) => {
    const { rows, result } = await trainOnce({ config: configOf({ method, updates: 8 }) });
    expect(result).toMatchObject({ updates: 8, finished: true });
    const expected = [
      'update',
      'reward',
      'reward_std',
      'frac_reward_zero_std',
      'loss',
      'grad_norm',
      'learning_rate',
      'entropy',
      'completions/mean_length',
      'completions/min_length',
      'completions/max_length',
      'completions/clipped_ratio',
      'num_tokens',
      'step_time',
      'quality',
      'solved',
      'groups_dropped',
      'curriculum/depth',
      'curriculum/recency',
      'curriculum/turn',
      'curriculum/share_attempt',
      'curriculum/share_improve',
      'curriculum/share_diverge',
      'curriculum/distinct_starts',
      'curriculum/distinct_ratio',
      'curriculum/pairwise_l2',
      'curriculum/pairwise_cosine',
      'perf/rollout_seconds',
      'perf/update_seconds',
      'perf/tokens_per_second',
      ...(method === 'grpo' ? [] : ['buffer/size', 'buffer/score_mean', 'buffer/score_max', 'buffer/score_min']),
      ...(method === 'exit' ? ['diversity/mean', 'diversity/max'] : []),
    ];
    expect(Object.keys(rows[7] ?? {})).toEqual(expect.arrayContaining(expected));
    expect(Object.values(rows[7] ?? {}).every(Number.isFinite)).toBe(true);
    const replays = rows.some((row) => (row['curriculum/share_improve'] ?? 0) > 0);
    expect(replays).toBe(method !== 'grpo' && method !== 'curriculum');
    const diverges = rows.some((row) => (row['curriculum/share_diverge'] ?? 0) > 0);
    if (diverges) expect(['diverge', 'exit']).toContain(method);
  });

  test('raises the reward', async () => {
    const config = configOf({ method: 'grpo', updates: 60, startsPerBatch: 8 });
    const { rows } = await trainOnce({ config });
    const mean = (part: MetricsRow[]): number => part.reduce((sum, row) => sum + (row.reward ?? 0), 0) / part.length;
    expect(mean(rows.slice(-15))).toBeGreaterThan(mean(rows.slice(0, 15)) + 0.03);
  });

  test('only the diversity bonus distinguishes exit from diverge', async () => {
    const first = async (method: string): Promise<number[]> => {
      const { policy } = await trainOnce({ config: configOf({ method, updates: 1 }) });
      return policy.batches[0]?.sequences.map(({ advantage }) => advantage) ?? [];
    };
    const [plain, bonus] = [await first('diverge'), await first('exit')];
    expect(bonus).not.toEqual(plain);
    expect(bonus.map(Math.sign)).toEqual(plain.map(Math.sign));
  });

  test('gives the turns of a rollout one number and advantage, and the members one first prompt', async () => {
    const config = configOf({ method: 'grpo', updates: 1, startsPerBatch: 2, groupSize: 3 });
    const { policy } = await trainOnce({ config, family: ladder as TaskFamily });
    const { prompts, sequences } = policy.batches[0] ?? { prompts: [], sequences: [] };
    expect(sequences).toHaveLength(2 * 3 * 3);
    expect(prompts).toHaveLength(2 + 2 * 3 * 2);
    const seen = sequences.map(({ prompt }) => prompt);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    for (let rollout = 0; rollout < 6; rollout++) {
      const turns = sequences.filter((one) => one.rollout === rollout);
      expect(turns).toHaveLength(3);
      expect(new Set(turns.map(({ advantage }) => advantage)).size).toBe(1);
    }
  });
});

describe('resuming', () => {
  test.each(['grpo', 'exit'])(
    '%s: a run that is stopped anywhere and resumed equals the uninterrupted run byte for byte',
    async (method) => {
      const config = configOf({ method, traces: 'all' });
      const twin = at('twin');
      await trainOnce({ config, path: twin });
      // During rollouts, before an update, and between updates.
      for (const calls of [7, 16, 20, 31]) {
        const path = at(`cut-${calls}`);
        const stop = new AbortController();
        let left = calls;
        const prepare = (policy: DigitPolicy): void => {
          policy.before = () => {
            if (--left === 0) stop.abort();
          };
        };
        const cut = await trainOnce({ config, path, prepare, signal: stop.signal });
        expect(cut.result.finished).toBe(false);
        const { result } = await trainOnce({ config, path, resume: true });
        expect(result.finished).toBe(true);
        expect(await lasting(path)).toEqual(await lasting(twin));
      }
    },
  );

  test.each([0, 1])('refuses a batch of %i starts from a curriculum that was asked for more', async (length) => {
    const start = { task: family.tasks('train')[0] as Task, history: emptyHistory, intent: 'attempt' } as const;
    const short: Curriculum = {
      nextBatch: () => Array.from({ length }, () => start),
      observe: () => {},
      snapshot: () => ({ kind: 'short' }) as CurriculumState,
      restore: () => {},
      metrics: () => ({}),
    };
    await expect(trainOnce({ path: at('short'), curriculum: short })).rejects.toThrow(
      new RegExp(`curriculum: nextBatch\\(\\d+\\) returned ${length} starts`),
    );
  });

  test("leaves a user's curriculum unchanged when its update is cancelled", async () => {
    const cycle = (): Curriculum => {
      let at = 0;
      const tasks = family.tasks('train');
      return {
        nextBatch: (size, _rng, drawn = []) =>
          Array.from({ length: size }, (_, i) => ({
            task: tasks[(at + drawn.length + i) % tasks.length] as Task,
            history: emptyHistory,
            intent: 'attempt',
          })),
        observe: (groups) => {
          at += groups.length;
        },
        snapshot: () => ({ kind: 'cycle', at }) as CurriculumState,
        restore: (state) => {
          at = (state as CurriculumState & { at: number }).at;
        },
        metrics: () => ({ 'curriculum/at': at }),
      };
    };
    const stop = new AbortController();
    const prepare = (policy: DigitPolicy): void => {
      let left = 14;
      policy.before = () => {
        if (--left === 0) stop.abort();
      };
    };
    const path = at('run');
    await trainOnce({ path, curriculum: cycle(), prepare, signal: stop.signal });
    const { rows } = await trainOnce({ path, curriculum: cycle(), resume: true });
    expect(rows.at(-1)?.['curriculum/at']).toBe(12 * 3);
  });

  test('replaces the lines after the checkpoint', async () => {
    const config = configOf();
    const path = at('crashed');
    const crash = (policy: DigitPolicy): void => {
      let updates = 0;
      policy.before = (verb) => {
        if (verb === 'update' && ++updates === 7) throw new Error('power cut');
      };
    };
    await expect(trainOnce({ config, path, prepare: crash })).rejects.toThrow('power cut');
    await trainOnce({ config, path, resume: true });
    const updates = (await readFile(join(path, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).update);
    expect(updates).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
  });

  test('refuses a changed field, model or task set by name unless it is allowed', async () => {
    const path = at('run');
    await trainOnce({ path });
    const changed = configOf({ updates: 14, optimizer: { learningRate: 0.4 } });
    const refused = trainOnce({ config: changed, path, resume: true });
    await expect(refused).rejects.toSatisfy(RunFolderError.isInstance.bind(RunFolderError));
    await expect(trainOnce({ config: changed, path, resume: true })).rejects.toThrow(
      /optimizer\.learningRate \(0\.5 -> 0\.4\).*updates \(12 -> 14\).*--allow-change updates/s,
    );
    const allowedChanges = ['updates', 'optimizer.learningRate'];
    expect((await trainOnce({ config: changed, path, resume: true, allowedChanges })).result.updates).toBe(14);
    const other = new DigitPolicy();
    other.weights[0] = 1;
    await other.save(model());
    await expect(trainOnce({ config: changed, path, resume: true })).rejects.toThrow('model');
  });

  test('continues from a named checkpoint and sets later ones aside', async () => {
    const path = at('run');
    await trainOnce({ config: configOf({ checkpoint: { every: 4, keep: 3 } }), path });
    const config = configOf({ checkpoint: { every: 4, keep: 3 } });
    const { rows } = await trainOnce({ config, path: join(path, 'checkpoint-4'), resume: true });
    expect(rows.map((row) => row.update)).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    expect((await readdir(path)).filter((name) => name.includes('superseded'))).toHaveLength(2);
  });
});

describe('numbers that are not finite', () => {
  test('are skipped and counted twice in a row', async () => {
    const { rows } = await trainOnce({
      prepare: (policy) => {
        policy.nonFinite = new Set([3, 4]);
      },
    });
    expect(rows.map((row) => row.update_skipped)).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("stop the run at the third in a row with the engine's message", async () => {
    const failing = trainOnce({
      prepare: (policy) => {
        policy.nonFinite = new Set([3, 4, 5]);
      },
    });
    await expect(failing).rejects.toSatisfy(
      (error) => NonFiniteError.isInstance(error) && error.message.includes('loss'),
    );
  });
});

test('drops and counts groups with a failing verifier, and trains on the others', async () => {
  const moody: TaskFamily = {
    ...family,
    verify: (task, history, answer, intent) => {
      if (task.id.endsWith('3')) throw new Error('the verifier is ill');
      return family.verify(task, history, answer, intent);
    },
  };
  const { rows, policy } = await trainOnce({ config: configOf({ method: 'grpo', updates: 20 }), family: moody });
  const dropped = rows.reduce((sum, row) => sum + (row.groups_dropped ?? 0), 0);
  expect(dropped).toBeGreaterThan(0);
  const trained = policy.batches.reduce((sum, batch) => sum + batch.sequences.length / 4, 0);
  expect(trained).toBe(20 * 3 - dropped);
});

test('blends the reference every M updates, only with a KL penalty', async () => {
  const reference = { blendEvery: 5, alpha: 0.5 };
  const { policy } = await trainOnce({ config: configOf({ reference, objective: { kl: { beta: 0.01 } } }) });
  expect(policy.blends).toEqual([5, 10]);
  expect((await trainOnce({ config: configOf({ reference }) })).policy.blends).toEqual([]);
});

test('blends the reference also after a refused update', async () => {
  const config = configOf({ reference: { blendEvery: 5, alpha: 0.5 }, objective: { kl: { beta: 0.01 } } });
  const prepare = (policy: DigitPolicy): void => {
    policy.nonFinite = new Set([5]);
  };
  // The policy has made one update less at that point.
  expect((await trainOnce({ config, prepare })).policy.blends).toEqual([4, 9]);
});

test('passes the warm-up to the engine', async () => {
  const optimizer = { learningRate: 0.5, warmupUpdates: 4, schedule: 'linear', finalShare: 0.2 };
  const { policy } = await trainOnce({ config: configOf({ optimizer }) });
  const rates = policy.settings.map(({ learningRate }) => learningRate);
  expect(rates.slice(0, 4)).toEqual([0.125, 0.25, 0.375, 0.5]);
  expect(rates[11]).toBeCloseTo(0.1);
  expect(rates[7]).toBeCloseTo(0.5 * (1 - 0.8 * 0.5));
});

test('masks completions without terminator only with the overlong filter', async () => {
  const cut = (policy: DigitPolicy): void => {
    const generate = policy.generate.bind(policy);
    policy.generate = async (request) => {
      const { promptTokens, completions } = await generate(request);
      return {
        promptTokens,
        completions: completions.map((one, at) => (at === 0 ? { ...one, finishReason: 'length' } : one)),
      };
    };
  };
  const masks = async (overlongFilter: boolean): Promise<(number | undefined)[]> => {
    const { policy } = await trainOnce({ config: configOf({ updates: 1, overlongFilter }), prepare: cut });
    return policy.batches[0]?.sequences.slice(0, 2).map(({ mask }) => mask?.[0]) ?? [];
  };
  expect(await masks(true)).toEqual([0, undefined]);
  expect(await masks(false)).toEqual([undefined, undefined]);
});

test("a custom reward overrides the config's", async () => {
  const { rows } = await trainOnce({ reward: ({ quality }) => quality + 2 });
  expect(rows[0]?.reward).toBeCloseTo((rows[0]?.quality ?? 0) + 2);
});

test('evaluates after the updates where it is due', async () => {
  const evaluate = async (update: number): Promise<Record<string, number>> => ({ 'eval/solved': update });
  const { rows } = await trainOnce({ evaluation: { every: 5, evaluate } });
  expect(rows.flatMap((row) => row['eval/solved'] ?? [])).toEqual([5, 10]);
});
