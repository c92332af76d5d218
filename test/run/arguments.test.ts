/** Wrong arguments of every function of a run: a typed error that names the key, before any model loads. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { parseConfig } from '../../src/config/parse.js';
import { loadData } from '../../src/data/load-data.js';
import { createNgramEmbedder } from '../../src/embedder/ngram.js';
import { ConfigError, DataError, InvalidRequestError, RunFolderError } from '../../src/errors.js';
import { evaluateIterations } from '../../src/evaluation/iterate.js';
import { groupAdvantages } from '../../src/method/advantage.js';
import { createExitCurriculum } from '../../src/method/exit.js';
import { rolloutGroup } from '../../src/method/group.js';
import { createUniformCurriculum } from '../../src/method/uniform.js';
import { promptFromMessages, promptFromTemplates } from '../../src/prompt.js';
import { writeReport } from '../../src/report/page.js';
import { loadRewards } from '../../src/reward/load-rewards.js';
import { namedReward } from '../../src/reward/named.js';
import { createRng } from '../../src/rng.js';
import { openParts } from '../../src/run/assemble.js';
import { evaluatePolicy, evaluateRun, writeEvaluation } from '../../src/run/evaluate-run.js';
import { openRun } from '../../src/run/run.js';
import { train } from '../../src/run/train.js';
import { trainConfig, trainRun } from '../../src/run/train-run.js';
import { shippedModel } from '../../src/shipped-models.js';
import { codeBreaker } from '../../src/task/code-breaker/family.js';
import { missingEngine, tinyModel } from '../cli/support/cli.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-run-arguments-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A call as JavaScript can make it; a synchronous throw becomes a rejection. */
const untyped =
  (call: unknown): ((...values: unknown[]) => Promise<unknown>) =>
  async (...values) =>
    (call as (...values: unknown[]) => unknown)(...values);

const thrownBy = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Requires the typed error that names `key` and holds `reason`. */
async function expectRefusal(work: Promise<unknown>, key: string, reason = ''): Promise<void> {
  const error = await thrownBy(work);
  expect(error).toBeInstanceOf(InvalidRequestError);
  expect((error as InvalidRequestError).fields).toMatchObject({ key, reason: expect.stringContaining(reason) });
}

const fn = (): number => 1;
const family = codeBreaker();
const oldFamily = { name: 'old', turns: 1, tasks: () => [{ id: 'a' }], judge: () => ({ quality: 1 }) };
const { tasks } = { tasks: family.tasks('test').slice(0, 2) };
const config = { task: 'code-breaker', model: tinyModel, updates: 1, device: 'cpu' };
const policy = { generate: fn, update: fn };

test.each([
  ['trainRun', () => trainRun({ ...config, device: 'cpu' }, { family: oldFamily as never })],
  ['evaluateRun', () => evaluateRun({ model: tinyModel, family: oldFamily as never })],
  ['openParts', () => openParts(parseConfig(config), oldFamily as never)],
])('%s lists every wrong field of a family, old names with the new ones', async (_, call) => {
  const error = await call().catch((reason: unknown) => reason);
  expect(ConfigError.isInstance(error) && error.message).toContain('`judge` is now `verify`');
  expect((error as ConfigError).message).toContain('family.prompt: is missing');
});

describe('evaluateRun refuses', () => {
  test.each([
    [{ iterations: '2' }, 'iterations', "not the text '2'"],
    [{ iterations: -1 }, 'iterations', 'at least 0'],
    [{ iterations: 1.5 }, 'iterations', 'whole number'],
    [{ draws: Number.NaN }, 'draws', 'above 0'],
    [{ draws: 0 }, 'draws', 'above 0'],
    [{ limit: -1 }, 'limit', 'at least 0'],
    [{ limit: 2.5 }, 'limit', 'whole number'],
    [{ itertions: 1 }, 'itertions', 'did you mean `iterations`?'],
    [{ sampling: { maxNewToken: 1 } }, 'sampling.maxNewToken', 'did you mean `maxNewTokens`?'],
    [{ signal: new AbortController() }, 'signal', 'an AbortSignal'],
    [{ family: 5 }, 'family', 'an object'],
    [{ model: undefined }, 'model', 'is missing'],
  ])('%j', async (options, key, reason) => {
    await expectRefusal(untyped(evaluateRun)({ model: tinyModel, task: 'code-breaker', ...options }), key, reason);
  });

  test('no argument, and none of its parts', async () => {
    await expectRefusal(untyped(evaluateRun)(), '', 'must be an object');
    await expectRefusal(untyped(evaluateRun)({}), 'model', 'is missing');
    await expectRefusal(untyped(evaluatePolicy)({}), 'config', 'is missing');
  });

  test('a file that cannot be written', async () => {
    for (const out of [root, join(root, 'absent', 'evaluation.json')]) {
      expect(await thrownBy(untyped(writeEvaluation)(out, {}))).toBeInstanceOf(RunFolderError);
    }
  });
});

describe('trainRun refuses', () => {
  test.each([
    [null, '', 'must be an object, not null'],
    [{ outt: 'x' }, 'outt', 'did you mean `out`?'],
    [{ onUpdte: fn }, 'onUpdte', 'did you mean `onUpdate`?'],
    [{ onUpdate: 'x' }, 'onUpdate', 'a function'],
    [{ evaluate: 'no' }, 'evaluate', 'true or false'],
    [{ signal: 'x' }, 'signal', 'an AbortSignal'],
    [{ signal: new AbortController() }, 'signal', 'an AbortSignal'],
    [{ out: 5 }, 'out', 'a text'],
    [{ curriculum: {} }, 'curriculum', '`nextBatch`'],
    [{ embedder: {} }, 'embedder', '`embed`'],
    [{ resume: 'a', out: 'b' }, 'out', 'choose one'],
    [{ allowedChanges: 'updates' }, 'allowedChanges', 'a list'],
    [{ allowedChanges: ['updates', 'updtes'] }, 'allowedChanges[1]', "did you mean 'updates'?"],
    [{ rewards: fn }, 'rewards', '[namedReward(fn)]'],
    [{ rewards: {} }, 'rewards', '[namedReward(fn)]'],
    [{ rewards: [fn] }, 'rewards[0]', 'namedReward(fn)'],
    [{ reward: 'qualty' }, 'reward', "'quality', 'improvement'"],
    [{ reward: 5 }, 'reward', 'not 5'],
  ])('%j', async (options, key, reason) => {
    await expectRefusal(untyped(trainRun)(config, options), key, reason);
    await expectRefusal(untyped(trainConfig)(parseConfig(config), options), key, reason);
  });

  test('no change that a config, a hash or a section of free keys has', async () => {
    const allowedChanges = ['model', 'tasks', 'tokenizer', 'objective.loss', 'chat.variables.enable_thinking'];
    const error = await thrownBy(untyped(trainRun)({}, { allowedChanges }));
    expect(error).not.toBeInstanceOf(InvalidRequestError);
  });
});

describe('an argument that is absent or misspelt is refused by', () => {
  const priority = { kind: 'rank', inverseTemperature: 1 };
  const exit = { family, tasks, capacity: 4, minimumFill: 1, priority, expand: true };
  const share = { replayProbability: 0.5, divergeProbability: 0 };
  const ngram = { dimension: 8, unit: 'word', minimumLength: 1, maximumLength: 2 };

  test.each<[string, unknown, unknown[], string]>([
    ['loadConfig', loadConfig, [], ''],
    ['loadConfig', loadConfig, [{ source: 5 }], 'source'],
    ['loadConfig', loadConfig, [{ sourc: 'x' }], 'sourc'],
    ['openRun', openRun, [], ''],
    ['openRun', openRun, [{}], 'config'],
    ['train', train, [], ''],
    ['train', train, [{}], 'config'],
    ['train', train, [{ config: {}, policy, family }], 'config'],
    ['writeReport', writeReport, [], 'folder'],
    ['writeReport', writeReport, ['x', { outt: 'y' }], 'outt'],
    ['promptFromTemplates', promptFromTemplates, [{ questin: 'x', intent: 'attempt' }], 'questin'],
    ['promptFromTemplates', promptFromTemplates, [], ''],
    ['promptFromMessages', promptFromMessages, [{}], 'messages'],
    ['loadRewards', loadRewards, [], 'list'],
    ['loadData', loadData, [], ''],
    ['loadData', loadData, [{ trian: ['x'] }], 'trian'],
    ['openParts', openParts, [{}], 'task'],
    ['evaluateIterations', evaluateIterations, [{}], 'policy'],
    ['rolloutGroup', rolloutGroup, [{}], 'policy'],
    ['shippedModel', shippedModel, [], 'name'],
    ['shippedModel', shippedModel, ['foo'], 'name'],
    ['codeBreaker', codeBreaker, [{ freshSed: 1 }], 'freshSed'],
    ['codeBreaker', codeBreaker, [{ freshSeed: 'x' }], 'freshSeed'],
    ['codeBreaker', codeBreaker, [null], ''],
    ['groupAdvantages', groupAdvantages, [[1, 0], { baselin: 'mean' }], 'baselin'],
    ['groupAdvantages', groupAdvantages, [], 'rewards'],
    ['createUniformCurriculum', createUniformCurriculum, [], ''],
    [
      'createUniformCurriculum',
      createUniformCurriculum,
      [{ tasks, order: { order: 'shufled', seed: 1 } }],
      'order.order',
    ],
    ['createExitCurriculum', createExitCurriculum, [{ ...exit, ...share, replayProbability: 5 }], 'replayProbability'],
    [
      'createExitCurriculum',
      createExitCurriculum,
      [{ ...exit, ...share, divergeProbability: Number.NaN }],
      'divergeProbability',
    ],
    ['createNgramEmbedder', createNgramEmbedder, [{ ...ngram, dimension: -1 }], 'dimension'],
    ['namedReward', namedReward, ['a', fn], 'reward'],
    ['namedReward', namedReward, [fn, { wieght: 1 }], 'wieght'],
  ])('%s (%#)', async (_, call, values, key) => {
    await expectRefusal(untyped(call)(...values), key);
  });

  test('shippedModel, which lists the names', async () => {
    await expectRefusal(untyped(shippedModel)('foo'), 'name', "'tiny' or 'cafe'");
  });

  test('createRng', () => {
    expect(() => createRng('x' as never)).toThrow('createRng: `seed` must be a number, not x');
  });
});

test('loadData takes one path as text, as the config does', async () => {
  const settings = { promptColumn: 'prompt', chat: false, testShare: 0, limit: 0, splitSeed: 0 };
  const error = await thrownBy(loadData({ train: join(root, 'nope.jsonl'), ...settings }));
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).problems.map(({ file }) => file)).toEqual([join(root, 'nope.jsonl')]);
});

test.skipIf(missingEngine !== undefined)('evaluateRun names an unwritable `out`', async () => {
  const small = {
    model: tinyModel,
    task: 'code-breaker',
    iterations: 0,
    draws: 1,
    limit: 1,
    device: 'cpu',
    threads: 1,
  };
  const error = await thrownBy(evaluateRun({ ...small, sampling: { maxNewTokens: 6 }, out: root }));
  expect(error).toBeInstanceOf(RunFolderError);
});
