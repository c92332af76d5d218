/** Checks that a family of the user is refused with the fix where its fields, tasks, prompts or verdicts are wrong. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError, InvalidRequestError, nativeError, TaskError } from '../../src/errors.js';
import { emptyHistory } from '../../src/history.js';
import { rolloutStart, verifyCompletion } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import { openParts } from '../../src/run/assemble.js';
import { listTasks, requireFamily } from '../../src/task/check.js';
import type { TaskFamily } from '../../src/task/task.js';
import { completionOf, scriptedPolicy } from '../support/scripted-policy.js';

const task = { id: 'one', data: null };
const mine: TaskFamily = {
  name: 'mine',
  turns: 1,
  tasks: () => [task],
  prompt: () => 'q',
  verify: () => ({ quality: 1, wellFormed: true }),
};
const without = (key: keyof TaskFamily): object =>
  Object.fromEntries(Object.entries(mine).filter(([own]) => own !== key));

test.each([
  [{ ...without('verify'), judge: mine.verify }, '`judge` is now `verify`'],
  [{ ...without('verify'), verifi: mine.verify }, 'family.verify: is missing; it must be a function (rename `verifi`)'],
  [{ ...mine, turns: 0 }, 'family.turns: must be a whole number above 0, not 0'],
  [{ ...mine, turns: '1' }, "family.turns: must be a whole number above 0, not the text '1'"],
  [{ ...mine, name: '' }, "family.name: must be a text that is not empty, not the text ''"],
  [{ ...mine, close: 1 }, 'family.close: must be a function, not 1'],
  [null, 'family: must be a task family, not null'],
])('a family is refused with the fix: %#', (family, message) => {
  expect(() => requireFamily(family)).toThrow(ConfigError);
  expect(() => requireFamily(family)).toThrow(message);
});

test('a family is returned as it is, a class as well', () => {
  class Mine {
    name = 'mine';
    turns = 2;
    tasks = mine.tasks;
    prompt = mine.prompt;
    verify() {
      return mine.verify(task, emptyHistory, '', 'attempt');
    }
  }
  const family = new Mine();
  expect(requireFamily(family)).toBe(family);
});

test.each([
  [() => undefined, "mine: tasks('train') must return a list, not undefined"],
  [async () => [task], 'not a promise; load the tasks first'],
  [() => [task, { data: 1 }], "task 1 of the split 'train' has the id undefined"],
  [() => [null], "task 0 of the split 'train' is null"],
])('tasks are a list with ids: %#', (tasks, message) => {
  const family = { ...mine, tasks } as unknown as TaskFamily;
  expect(() => listTasks(family, 'train')).toThrow(TaskError);
  expect(() => listTasks(family, 'train')).toThrow(message);
});

test('a run checks the family of a script before it opens anything', async () => {
  const config = parseConfig({ task: 'mine', model: 'm' });
  const open = (changes: object) => openParts(config, { ...mine, ...changes } as TaskFamily);
  await expect(open({ turns: 0 })).rejects.toThrow(ConfigError);
  await expect(open({ tasks: () => undefined })).rejects.toThrow(TaskError);
  const noTest = (split: string) => (split === 'train' ? [task] : undefined);
  await expect(open({ tasks: noTest })).rejects.toThrow("tasks('test') must return a list");
  const refusing = (split: string) => {
    if (split !== 'train') throw new TaskError(`no split ${split}`);
    return [task];
  };
  expect((await open({ tasks: refusing })).family.tasks).toBe(refusing);
});

const verdictOf = (verdict: unknown) =>
  verifyCompletion({ ...mine, verify: () => verdict as never }, task, emptyHistory, 'attempt', completionOf('x'));

test.each([
  [{ quality: '1', wellFormed: true }, "mine: the verdict's quality must be a number, not the text '1' (task one)"],
  [{ quality: null, wellFormed: true }, "the verdict's quality must be a number, not null"],
  [{ quality: Number.NaN, wellFormed: true }, "the verdict's quality is NaN for task one; it must lie in [0, 1]"],
  [{ quality: 1 }, "the verdict's wellFormed must be true or false, not undefined"],
  [{ quality: 1, wellFormed: true, feedback: 5 }, "the verdict's feedback must be a text, not 5"],
  [{ quality: 1, wellFormed: true, feedbck: 'a' }, 'unknown field `feedbck`; did you mean `feedback`?'],
  [undefined, 'mine: verify returned undefined, not a verdict: return { quality: …, wellFormed: … } (task one)'],
  [0.5, 'verify returned 0.5, not a verdict: return { quality: 0.5, wellFormed: true }'],
  [true, 'verify returned true, not a verdict'],
  [{ quality: 1n, wellFormed: true }, "the verdict's quality must be a number, not the bigint 1n"],
])('a wrong verdict fails the rollout: %#', async (verdict, message) => {
  await expect(verdictOf(verdict)).rejects.toThrow(message);
});

test('a verdict may have further fields', async () => {
  const verdict = { quality: 1, wellFormed: true, marks: 'GGG', code: 3 };
  expect(await verdictOf(verdict)).toEqual(verdict);
});

const rollOut = (prompt: TaskFamily['prompt'], policy: Parameters<typeof rolloutStart>[0]['policy']) =>
  rolloutStart({
    policy,
    family: { ...mine, prompt },
    start: { task, history: emptyHistory, intent: 'attempt' },
    size: 1,
    sampling: { temperature: 1, maxNewTokens: 4 },
    rng: createRng(1),
  });

test('a prompt function that throws is reported with family and task', async () => {
  const throwing = (): never => {
    throw new TypeError('no field `question`');
  };
  const [rollout] = await rollOut(
    throwing,
    scriptedPolicy(() => 'x'),
  );
  const detail = 'mine: prompt failed for task one: no field `question`';
  expect(rollout?.outcome).toEqual({ kind: 'failed', boundary: 'task', detail });
});

test('an empty prompt that the policy refuses is reported with family and task', async () => {
  const refusing = { generate: () => Promise.reject(nativeError('INVALID_REQUEST', 'prompt: is empty')) };
  const error: unknown = await rollOut(() => '', refusing).catch((thrown: unknown) => thrown);
  expect(InvalidRequestError.isInstance(error)).toBe(true);
  expect(String(error)).toContain('mine: the prompt of task one is empty');
});
