/** A whole run from a Node script: a few lines do the same as the commands `train`, `evaluate` and `report`. */
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { ConfigError } from '../../src/errors.js';
import { createUniformCurriculum } from '../../src/method/uniform.js';
import { writeReport } from '../../src/report/page.js';
import type { Answered } from '../../src/reward/reward.js';
import { evaluateRun } from '../../src/run/evaluate-run.js';
import { trainRun } from '../../src/run/train-run.js';
import { shippedModel } from '../../src/shipped-models.js';
import { codeBreaker } from '../../src/task/code-breaker/family.js';
import type { TaskFamily } from '../../src/task/task.js';
import { missingEngine, runCli, tinyModel } from '../cli/support/cli.js';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-train-run-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const sizes = { startsPerBatch: 2, groupSize: 2, sampling: { maxNewTokens: 6 }, threads: 1, device: 'cpu' } as const;
const config = { task: 'code-breaker', model: tinyModel, method: 'exit', updates: 2, seed: 5, ...sizes } as const;
const flags = ['--task', 'code-breaker', '--model', tinyModel, '--method', 'exit', '--updates', '2', '--seed', '5'];
const sizeFlags = ['--startsPerBatch', '2', '--groupSize', '2', '--sampling.maxNewTokens', '6', '--threads', '1'];

const read = async (path: string): Promise<string> => readFile(path, 'utf8');
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const withoutTimes = (text: string): object[] =>
  text
    .trim()
    .split('\n')
    .map((line) => {
      const row = Object.entries(JSON.parse(line) as object);
      return Object.fromEntries(row.filter(([key]) => key !== 'step_time' && !key.startsWith('perf/')));
    });

describe.skipIf(missingEngine !== undefined)('a script', () => {
  test('trains, evaluates and reports in one call', async () => {
    const path = join(root, 'run');
    const updates: number[] = [];
    const small = { ...config, evaluation: { iterations: 1, draws: 1 } };
    const result = await trainRun(small, { out: path, onUpdate: ({ update }) => updates.push(update) });
    expect(updates).toEqual([1, 2]);
    expect(result).toMatchObject({ path, updates: 2, finished: true, checkpoint: join(path, 'checkpoint-2') });
    expect(result.evaluation?.k).toEqual([0, 1]);
    const { seconds: _seconds, ...written } = JSON.parse(await read(join(path, 'evaluation.json')));
    const { seconds: _other, ...evaluation } = JSON.parse(JSON.stringify(result.evaluation));
    expect(written).toEqual(evaluation);
    expect(await read(result.report ?? '')).toContain('<html');
  });

  test('trains the same run as the command, byte for byte', async () => {
    const [ours, theirs] = [join(root, 'script'), join(root, 'command')];
    await trainRun(config, { out: ours, evaluate: false, report: false });
    const { code, stderr } = await runCli(['train', ...flags, ...sizeFlags, '--device', 'cpu', '--out', theirs]);
    expect(code, stderr).toBe(0);
    expect(withoutTimes(await read(join(ours, 'metrics.jsonl')))).toEqual(
      withoutTimes(await read(join(theirs, 'metrics.jsonl'))),
    );
    const weights = (run: string) => readFile(join(run, 'checkpoint-2', 'training.safetensors'));
    expect((await weights(ours)).equals(await weights(theirs))).toBe(true);
    expect(await exists(join(ours, 'report.html'))).toBe(false);
  });

  test('evaluates a run as the command does, and writes its report', async () => {
    const path = join(root, 'run');
    await trainRun(config, { out: path, evaluate: false, report: false });
    const request = { model: path, iterations: 2, draws: 1, limit: 3, seed: 7, device: 'cpu', threads: 1 };
    const { evaluation, file } = await evaluateRun(request);
    expect(file).toBe(join(path, 'evaluation.json'));
    const settings = ['--iterations', '2', '--draws', '1', '--limit', '3', '--seed', '7', '--threads', '1'];
    const { stdout } = await runCli(['evaluate', '--model', path, '--device', 'cpu', ...settings, '--json']);
    const { seconds: _seconds, ...command } = JSON.parse(stdout);
    const { seconds: _other, ...script } = JSON.parse(JSON.stringify(evaluation));
    expect(script).toEqual(command);
    expect(await read(await writeReport(path))).toContain('<html');
  });

  test('resumes a run, and refuses to resume it with another config', async () => {
    const path = join(root, 'run');
    const silent = { evaluate: false, report: false };
    await trainRun(config, { out: path, ...silent });
    const changed = trainRun({ ...config, groupSize: 4 }, { resume: path, ...silent });
    await expect(changed).rejects.toThrow(/groupSize/);
    const longer = { resume: path, allowedChanges: ['updates'], ...silent };
    expect(await trainRun({ ...config, updates: 3 }, longer)).toMatchObject({ updates: 3, path });
  });

  test('begins in the folder of a run whose model could not be loaded', async () => {
    const out = join(root, 'run');
    await expect(trainRun({ ...config, model: join(root, 'none') }, { out })).rejects.toThrow('none');
    expect(await trainRun({ ...config, updates: 1 }, { out, evaluate: false })).toMatchObject({ updates: 1 });
  });

  test('takes the default folder that a failed start has left', async () => {
    const before = process.cwd();
    process.chdir(root);
    try {
      const named = { ...config, name: 'again', updates: 1 };
      await expect(trainRun({ ...named, model: join(root, 'none') })).rejects.toThrow('none');
      const result = await trainRun(named, { evaluate: false, report: false });
      expect(result.path).toBe(join('runs', 'again'));
    } finally {
      process.chdir(before);
    }
  });

  test('refuses to resume a folder without a run, and creates nothing there', async () => {
    const resume = join(root, 'typo');
    await expect(trainRun(config, { resume })).rejects.toThrow('holds no run to resume');
    expect(await exists(resume)).toBe(false);
  });

  test('takes the name of the family where the config leaves `task` undefined', async () => {
    const family = codeBreaker();
    const result = await trainRun(
      { ...config, task: undefined, updates: 1 },
      { family, out: join(root, 'r'), evaluate: false },
    );
    expect(result.updates).toBe(1);
  });

  test('accepts a family, a reward and a curriculum of the caller', async () => {
    const family = codeBreaker() as TaskFamily;
    const curriculum = createUniformCurriculum({ tasks: family.tasks('train').slice(0, 1) });
    const rewarded = new Set<string>();
    const reward = ({ task, quality }: { task: { id: string }; quality: number }): number => {
      rewarded.add(task.id);
      return quality;
    };
    const { task: _task, ...rest } = config;
    const options = { family, curriculum, reward, evaluate: false, report: false, out: join(root, 'run') };
    expect(await trainRun(rest, options)).toMatchObject({ updates: 2 });
    expect([...rewarded]).toEqual([family.tasks('train')[0]?.id]);
  });
});

test('refuses an evaluation without a task, by key', async () => {
  await expect(evaluateRun({ model: tinyModel })).rejects.toBeInstanceOf(ConfigError);
});

test.skipIf(missingEngine !== undefined)('a script rewards the rows of a data file by its own function', async () => {
  const rows = ['The order: tea and stew.', 'The order: cake.'].map((prompt) =>
    JSON.stringify({ prompt, wanted: 'tea' }),
  );
  await writeFile(join(root, 'rows.jsonl'), rows.join('\n'));
  const wanted = new Set<unknown>();
  const reward = ({ text, task }: Pick<Answered, 'text' | 'task'>): number => {
    wanted.add((task.data as { wanted: string }).wanted);
    return text.includes('tea') ? 1 : 0;
  };
  const config: ConfigInput = {
    model: shippedModel('cafe'),
    data: { train: join(root, 'rows.jsonl'), testShare: 0.5, chat: true },
    method: 'grpo',
    updates: 1,
    startsPerBatch: 1,
    groupSize: 2,
    threads: 1,
    sampling: { maxNewTokens: 8 },
    evaluation: { atEnd: true, measure: 'rewards' },
  };
  const options = { out: join(root, 'run'), reward, evaluate: false, report: false, warn: () => {} };
  const { metrics } = await trainRun(config, options);
  expect(wanted).toEqual(new Set(['tea']));
  expect(metrics?.eval_reward).toEqual(expect.any(Number));
});
