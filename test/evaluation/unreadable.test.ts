/** Answers that cannot be read, are cut off, have no room, or are unknown: what each is worth at its k. */
import { describe, expect, test } from 'vitest';
import { nativeError } from '../../src/errors.js';
import type { UnreadableRule } from '../../src/evaluation/evaluation.js';
import { createRng } from '../../src/rng.js';
import type { TaskFamily } from '../../src/task/task.js';
import { completionOf } from '../support/scripted-policy.js';
import { depth, digits, evaluate, type Scripted, scripted, tasks } from './digits.js';

const [x] = tasks;
const one = { tasks: [x as (typeof tasks)[number]], draws: 1 };
const rules: readonly UnreadableRule[] = ['count', 'keep'];

describe.each([
  ['malformed', 'nonsense'],
  ['cut off', completionOf('9', 'length')],
])('a policy that answers once and then writes what is %s', (_name, junk) => {
  const policy = (): Scripted => scripted(({ intent }) => (intent === 'attempt' ? '9' : junk));

  test('has solved nothing after a rewrite', async () => {
    const result = await evaluate(policy());
    expect(result).toMatchObject({
      ...{ solved: [1, 0, 0, 0], quality: [1, 0, 0, 0], fixed: [0, 0, 0, 0], broken: [0, 1, 0, 0] },
      ...{ unreadable: [0, 1, 1, 1], unreadableRewrites: 1, unreadableRule: 'count', deltaSolved: -1 },
      ...{ fixedTotal: 0, brokenTotal: 1 },
    });
    expect(result).not.toHaveProperty('failures');
  });

  test('keeps its answer under the rule of that name, and the share is reported all the same', async () => {
    expect(await evaluate(policy(), { unreadable: 'keep' })).toMatchObject({
      ...{ solved: [1, 1, 1, 1], broken: [0, 0, 0, 0], brokenTotal: 0 },
      ...{ unreadable: [0, 1, 1, 1], unreadableRewrites: 1, unreadableRule: 'keep' },
    });
  });

  test.each(rules)('is shown the last readable answer (%s)', async (unreadable) => {
    const asked = policy();
    await evaluate(asked, { ...one, unreadable });
    expect(asked.requests.map(({ shown }) => shown.answers)).toEqual([[], ['9'], ['9'], ['9']]);
  });
});

test('a readable answer after an unreadable one counts again', async () => {
  let answers = 0;
  const policy = scripted(() => ['9', '?', '9', '3'][answers++] ?? '');
  expect(await evaluate(policy, one)).toMatchObject({
    ...{ solved: [1, 0, 1, 0], fixed: [0, 0, 1, 0], broken: [0, 1, 0, 1], unreadable: [0, 1, 0, 0] },
    ...{ fixedTotal: 1, brokenTotal: 2, deltaSolved: -1 },
  });
});

test.each(rules)('an unreadable attempt is worth 0, and k = 1 attempts again (%s)', async (unreadable) => {
  let answers = 0;
  const policy = scripted(() => ['?', '9', '?', '9'][answers++] ?? '');
  const result = await evaluate(policy, { ...one, unreadable });
  expect(result.solved).toEqual([0, 1, unreadable === 'keep' ? 1 : 0, 1]);
  expect(result.unreadable).toEqual([1, 0, 1, 0]);
  expect(policy.requests.map(({ shown }) => shown.intent)).toEqual(['attempt', 'attempt', 'improve', 'improve']);
});

/** A policy whose context holds attempts only. */
const narrow = (policy: Scripted): Scripted => ({
  ...policy,
  generate: (request) =>
    JSON.parse(String(request.prompt)).intent === 'attempt'
      ? policy.generate(request)
      : Promise.reject(nativeError('PROMPT_TOO_LONG', 'the context holds 8 tokens')),
});

test('a prompt that leaves no room counts as an answer that is cut off', async () => {
  const result = await evaluate(narrow(scripted(() => '9')));
  expect(result).toMatchObject({ solved: [1, 0, 0, 0], unreadable: [0, 1, 1, 1], unreadableRewrites: 1 });
  expect(result).not.toHaveProperty('failures');
});

test('a base task whose prompt does not fit is a failure: the model was never asked', async () => {
  const policy = scripted(() => '9');
  const generate: Scripted['generate'] = (request) =>
    String(request.prompt).includes('"x"')
      ? Promise.reject(nativeError('PROMPT_TOO_LONG', 'the context holds 8 tokens'))
      : policy.generate(request);
  const result = await evaluate({ ...policy, generate });
  expect(result).toMatchObject({ solved: [1, 1, 1, 1], failures: { count: 2, first: 'the context holds 8 tokens' } });
});

describe('a failure of infrastructure', () => {
  const failingOn = (id: string): TaskFamily => ({
    ...digits(),
    verify: (task, history, answer, intent) => {
      if (task.id === id && intent === 'improve') throw new Error('the verifier fell asleep');
      return digits().verify(task, history, answer, intent);
    },
  });

  test('leaves the whole chain out of every number, and is counted', async () => {
    const policy = scripted(({ id, intent }) => (id === 'y' ? '9' : intent === 'attempt' ? '0' : '9'));
    const result = await evaluate(policy, { family: failingOn('y') });
    // Without y, whose attempts are right, nothing is solved at once.
    expect(result).toMatchObject({ solved: [0, 1, 1, 1], fixedTotal: 1, brokenTotal: 0, tasks: 3, draws: 2 });
    expect(result.failures).toEqual({ count: 2, first: 'the verifier fell asleep' });
    const rewrites = policy.requests.filter(({ shown }) => shown.id === 'y' && shown.intent === 'improve');
    expect(rewrites).toHaveLength(2);
  });

  test('of every chain is an error: there is nothing to measure', async () => {
    const family = failingOn('x');
    await expect(
      evaluate(
        scripted(() => '9'),
        { ...one, family },
      ),
    ).rejects.toThrow('every chain of the evaluation failed: the verifier fell asleep');
  });
});

describe('several turns', () => {
  // The first turn is right; the second is right, then its rewrites are junk.
  const junkAtTheEnd = (): Scripted =>
    scripted((shown) => (shown.intent === 'improve' && shown.answers.length === 2 ? '?' : '9'));

  test('an unreadable last answer to a turn ends the episode before that turn', async () => {
    const result = await evaluate(junkAtTheEnd(), { ...one, family: digits(2), iterations: 2 });
    expect(result).toMatchObject({ quality: [1, 0.5, 0.5], solved: [1, 0, 0], unreadable: [0, 1, 1] });
  });

  test('and does not with the rule keep', async () => {
    const result = await evaluate(junkAtTheEnd(), { ...one, family: digits(2), iterations: 2, unreadable: 'keep' });
    expect(result).toMatchObject({ quality: [1, 1, 1], solved: [1, 1, 1], unreadable: [0, 1, 1] });
  });

  test('an unreadable last answer to the first turn is worth 0', async () => {
    const policy = scripted((shown) => (shown.intent === 'improve' && shown.answers.length === 1 ? '?' : '9'));
    const result = await evaluate(policy, { ...one, family: digits(2), iterations: 1 });
    expect(result).toMatchObject({ quality: [1, 0], unreadable: [0, 1] });
  });
});

describe('random policies', () => {
  /** Answers that depend on the request alone; about a third is junk. */
  const random = (seed: number): Scripted =>
    scripted((_shown, { requestId }, member) => {
      const draw = createRng(seed).fork('answer', requestId, member).int(14);
      return draw < 10 ? String(draw) : draw < 12 ? '?' : completionOf('9', 'length');
    });
  const seeds = Array.from({ length: 25 }, (_, seed) => seed);

  test('the rule changes no answer, and `count` gives no chain more than `keep`', async () => {
    for (const seed of seeds) {
      const [policies, clock] = [[random(seed), random(seed)] as const, () => 0];
      const [count, keep] = await Promise.all([
        evaluate(policies[0], { seed, clock }),
        evaluate(policies[1], { seed, clock, unreadable: 'keep' }),
      ]);
      const asked = policies.map(({ requests }) => requests.map(({ prompt }) => prompt).sort());
      expect(asked[0]).toEqual(asked[1]);
      expect(count.unreadable).toEqual(keep.unreadable);
      for (const [k, quality] of count.quality.entries()) expect(quality).toBeLessThanOrEqual(keep.quality[k] ?? NaN);
      for (const [k, solved] of count.solved.entries()) expect(solved).toBeLessThanOrEqual(keep.solved[k] ?? NaN);
    }
  });

  test.each(rules)('fixed − broken telescopes to ΔK under %s', async (unreadable) => {
    for (const seed of seeds) {
      const { k, solved, fixed, broken, fixedTotal, brokenTotal, deltaSolved } = await evaluate(random(seed), {
        ...{ seed, unreadable, iterations: 5 },
      });
      for (const at of k.slice(1)) {
        const change = (solved[at] ?? NaN) - (solved[at - 1] ?? NaN);
        expect((fixed[at] ?? NaN) - (broken[at] ?? NaN)).toBeCloseTo(change, 12);
      }
      expect(fixedTotal - brokenTotal).toBeCloseTo(deltaSolved, 12);
    }
  });

  test('a list of k selects from the same numbers, and holds no null', async () => {
    const clock = () => 0;
    const all = await evaluate(random(3), { iterations: 6, clock });
    const some = await evaluate(random(3), { iterations: 6, at: [4, 1, 4], clock });
    expect(some.k).toEqual([0, 1, 4, 6]);
    const chosen = (values: readonly number[] = []) => some.k.map((k) => values[k]);
    for (const name of ['quality', 'solved', 'fixed', 'broken', 'unreadable'] as const)
      expect(some[name]).toEqual(chosen(all[name]));
    expect(some.standardErrors?.solved.tasks).toEqual(chosen(all.standardErrors?.solved.tasks));
    for (const name of ['fixedTotal', 'brokenTotal', 'unreadableRewrites', 'deltaSolved', 'tasksNeeded'] as const)
      expect(some[name]).toEqual(all[name]);
    for (const changes of [{}, one, { iterations: 0 }, { ...one, iterations: 0 }])
      expect(JSON.stringify(await evaluate(random(4), changes))).not.toContain('null');
  });
});

test('a reported k beyond K, and an evaluation without tasks, are refused', async () => {
  const policy = scripted(() => '9');
  await expect(evaluate(policy, { at: [2, 8] })).rejects.toThrow('8 is beyond `iterations`, which is 3');
  await expect(evaluate(policy, { tasks: [] })).rejects.toThrow('must hold at least one task');
});

test('counts every answer once, also those of a chain that fails', async () => {
  const family: TaskFamily = {
    ...digits(2),
    verify: (task, history, answer, intent) => {
      if (task.id === 'z' && intent === 'improve' && history.turns[0]?.iterates.length === 2) throw new Error('gone');
      return digits().verify(task, history, answer, intent);
    },
  };
  const seen: number[] = [];
  await evaluate(
    scripted((shown) => String(depth(shown))),
    { family, onProgress: ({ answersDone, answers }) => seen.push(answersDone / answers) },
  );
  expect(seen.at(-1)).toBe(1);
  expect(seen).toEqual([...seen].sort((left, right) => left - right));
});
