import { describe, expect, test } from 'vitest';
import { CancelledError, nativeError } from '../../src/errors.js';
import { append, emptyHistory, openTurn } from '../../src/history.js';
import { assembleBatch } from '../../src/method/batch.js';
import { type Rollout, type RolloutOptions, rolloutStart, type Start } from '../../src/method/rollout.js';
import type { GenerateRequest } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { deepFreeze } from '../support/arbitraries.js';
import { ladder, ladderTasks, oneRung } from '../support/ladder.js';
import { completionOf, digitScript, type ScriptedPolicy, scriptedPolicy } from '../support/scripted-policy.js';

// Digits 2, 6, 5.
const task = ladderTasks[2] as Task;
const baseTask: Start = { task, history: emptyHistory, intent: 'attempt' };
const iterate = (text: string): { text: string; tokens: number[]; quality: number } => ({
  text,
  tokens: [1],
  quality: 0.5,
});

function rollOut(policy: ScriptedPolicy, options: Partial<RolloutOptions> = {}): Promise<readonly Rollout[]> {
  const sampling = { temperature: 1, maxNewTokens: 4 };
  return rolloutStart({ policy, family: ladder, start: baseTask, size: 4, sampling, rng: createRng(1), ...options });
}

describe('an episode', () => {
  test('of one turn sends one request for the whole group', async () => {
    const policy = scriptedPolicy((_, completion) => String(completion));
    const rollouts = await rollOut(policy, { family: oneRung });
    expect(policy.requests.map(({ n }) => n)).toEqual([4]);
    expect(rollouts.map(({ history }) => history.turns[0]?.iterates[0]?.text)).toEqual(['0', '1', '2', '3']);
    expect(rollouts[2]).toMatchObject({ quality: 1, outcome: { kind: 'finished' }, start: baseTask });
    expect(rollouts[2]?.turns[0]?.verdict).toEqual({ quality: 1, wellFormed: true, feedback: 'right' });
    expect(rollouts[2]?.history.turns[0]?.iterates[0]).toMatchObject({ tokens: [50], feedback: 'right' });
  });

  test('of three turns requests the first for the whole group, the others member by member', async () => {
    const policy = scriptedPolicy(digitScript);
    const rollouts = await rollOut(policy);
    expect(policy.requests.map(({ n }) => n).sort()).toEqual([...new Array<number>(8).fill(1), 4]);
    for (const { turns, history, quality } of rollouts) {
      expect(turns).toHaveLength(3);
      expect(history.turns.map(({ iterates }) => iterates.length)).toEqual([1, 1, 1]);
      expect(quality).toBeCloseTo(turns.reduce((sum, { verdict }) => sum + verdict.quality, 0) / 3);
    }
    expect(new Set(policy.requests.map(({ requestId }) => requestId)).size).toBe(9);
  });

  test('that rewrites a middle turn generates the rewrite first, then attempts the remaining turns', async () => {
    const history = openTurn(append(openTurn(emptyHistory, iterate('2')), 0, iterate('3')), iterate('9'));
    const prompts: string[] = [];
    const policy = scriptedPolicy(({ prompt }) => {
      prompts.push(String(prompt));
      return '6';
    });
    const start = deepFreeze<Start>({ task, history, intent: 'improve' });
    const [rollout] = await rollOut(policy, { start, size: 1 });
    expect(prompts).toHaveLength(2);
    expect(prompts[0]).toMatch(/turn 1:\n3[\s\S]*previous answer:\n9/);
    expect(prompts[1]).not.toContain('previous answer');
    expect(rollout?.history.turns.map(({ iterates }) => iterates.map(({ text }) => text))).toEqual([
      ['2', '3'],
      ['9', '6'],
      ['6'],
    ]);
    expect(rollout?.turns[0]?.verdict.feedback).toBe('right');
  });

  test('ends early when a verdict has done: true', async () => {
    const family: TaskFamily = { ...ladder, verify: () => ({ quality: 1, wellFormed: true, done: true }) };
    const [rollout] = await rollOut(scriptedPolicy(digitScript), { family });
    expect(rollout).toMatchObject({ turns: { length: 1 }, outcome: { kind: 'finished' } });
    expect(rollout?.history.turns[0]?.iterates[0]).toMatchObject({ done: true });
  });

  test.each([
    ['by a right answer is divided by its own turns', [1, 1], true, 1],
    ['by a right answer after a wrong one is divided by its own turns', [0.5, 1], true, 0.75],
    ['by a wrong answer is divided by all turns', [1, 0], true, 1 / 3],
    ['by an answer that is partly right is divided by all turns', [1, 0.5], true, 0.5],
    ['at its last turn is divided by all turns', [1, 1, 1], true, 1],
  ])('that ends %s', async (_, qualities, done, expected) => {
    const family: TaskFamily = {
      ...ladder,
      verify: (_task, { turns }) => ({
        quality: qualities[turns.length] as number,
        wellFormed: true,
        ...(turns.length === qualities.length - 1 && { done }),
      }),
    };
    const [rollout] = await rollOut(scriptedPolicy(digitScript), { family });
    expect(rollout).toMatchObject({ turns: { length: qualities.length }, quality: expected });
  });

  test('takes its quality from the family’s episodeQuality', async () => {
    const family: TaskFamily = { ...ladder, episodeQuality: (_, { turns }) => turns.length / 4 };
    expect((await rollOut(scriptedPolicy(digitScript), { family })).map(({ quality }) => quality)).toEqual([
      0.75, 0.75, 0.75, 0.75,
    ]);
  });

  test('repeats with the same seed', async () => {
    const [one, other] = [await rollOut(scriptedPolicy(digitScript)), await rollOut(scriptedPolicy(digitScript))];
    expect(one).toEqual(other);
    const rng = createRng(1).fork('else');
    expect(await rollOut(scriptedPolicy(digitScript), { rng })).not.toEqual(one);
  });
});

describe('bad rollouts are data', () => {
  test('a malformed answer has quality 0 and ends the episode', async () => {
    const policy = scriptedPolicy(({ n }, completion) => (n === 1 || completion === 0 ? 'nonsense' : '2'));
    const rollouts = await rollOut(policy);
    expect(rollouts[0]).toMatchObject({ outcome: { kind: 'malformed' }, quality: 0, turns: { length: 1 } });
    expect(rollouts[1]).toMatchObject({ outcome: { kind: 'malformed' }, quality: 1 / 3, turns: { length: 2 } });
  });

  test('an overlong answer has quality 0 without a call of the verifier', async () => {
    const family: TaskFamily = { ...oneRung, verify: () => fail('called') };
    const rollouts = await rollOut(
      scriptedPolicy(() => completionOf('2', 'length')),
      { family },
    );
    expect(rollouts[0]).toMatchObject({ outcome: { kind: 'overlong' }, quality: 0 });
  });

  test.each([undefined, false])(
    'a verifier that throws is not called again with `repeatable: %s`',
    async (repeatable) => {
      let calls = 0;
      const verify = () => (++calls === 1 ? fail('busy') : { quality: 1, wellFormed: true });
      const family: TaskFamily = { ...oneRung, verify, ...(repeatable !== undefined && { repeatable }) };
      const [rollout] = await rollOut(
        scriptedPolicy(() => '7'),
        { family, size: 1 },
      );
      expect(calls).toBe(1);
      expect(rollout).toMatchObject({
        quality: Number.NaN,
        outcome: { kind: 'failed', boundary: 'task', detail: 'busy' },
      });
    },
  );

  test('a quality of the episode that throws is measured again where that is repeatable', async () => {
    for (const [repeatable, calls] of [
      [false, 1],
      [true, 2],
    ] as const) {
      let measured = 0;
      const episodeQuality = () => (++measured === 1 ? fail('busy') : 1);
      const family: TaskFamily = { ...oneRung, episodeQuality, repeatable };
      const [rollout] = await rollOut(
        scriptedPolicy(() => '7'),
        { family, size: 1 },
      );
      expect([measured, rollout?.outcome.kind]).toEqual([calls, repeatable ? 'finished' : 'failed']);
    }
  });

  test('a repeatable verifier that throws once is called again with the same answer', async () => {
    const answers: string[] = [];
    const family: TaskFamily = {
      ...oneRung,
      repeatable: true,
      verify: (_task, _history, answer) => {
        answers.push(answer);
        return answers.length === 1 ? fail('busy') : { quality: 1, wellFormed: true };
      },
    };
    const policy = scriptedPolicy(() => '7');
    const [rollout] = await rollOut(policy, { family, size: 1 });
    expect(rollout).toMatchObject({ quality: 1, outcome: { kind: 'finished' } });
    expect(answers).toEqual(['7', '7']);
    expect(policy.requests).toHaveLength(1);
  });

  test('a verifier that throws twice fails only that member', async () => {
    const family: TaskFamily = {
      ...oneRung,
      verify: async (_task, _history, answer) =>
        answer === '1' ? fail('crashed') : { quality: 0.5, wellFormed: true },
    };
    const rollouts = await rollOut(
      scriptedPolicy((_, completion) => String(completion)),
      { family },
    );
    expect(rollouts.map(({ outcome }) => outcome.kind)).toEqual(['finished', 'failed', 'finished', 'finished']);
    expect(rollouts[1]).toMatchObject({ quality: Number.NaN, outcome: { boundary: 'task', detail: 'crashed' } });
  });

  test.each([Number.NaN, -0.1, 1.1, Infinity])('a verdict of quality %d fails the rollout', async (quality) => {
    const family: TaskFamily = { ...oneRung, verify: () => ({ quality, wellFormed: true }) };
    const [rollout] = await rollOut(scriptedPolicy(digitScript), { family });
    expect(rollout?.outcome).toMatchObject({
      kind: 'failed',
      boundary: 'task',
      detail: expect.stringContaining('[0, 1]'),
    });
  });

  test('a policy that fails once gets the same request again; one that fails twice fails the group', async () => {
    const seen: GenerateRequest[] = [];
    const flaky = scriptedPolicy((request) => (seen.push(request) === 1 ? fail('reset') : '2'));
    expect((await rollOut(flaky, { family: oneRung })).map(({ quality }) => quality)).toEqual([1, 1, 1, 1]);
    expect(flaky.requests[0]).toEqual(flaky.requests[1]);

    const rollouts = await rollOut(scriptedPolicy(() => fail('down')));
    expect(rollouts).toHaveLength(4);
    for (const { outcome, turns } of rollouts) {
      expect(outcome).toEqual({ kind: 'failed', boundary: 'policy', detail: 'down' });
      expect(turns).toEqual([]);
    }
  });

  test('a policy that returns too few completions fails the group', async () => {
    const policy = scriptedPolicy(digitScript);
    const generate = policy.generate;
    policy.generate = (request) => generate({ ...request, n: request.n - 1 });
    expect((await rollOut(policy))[0]?.outcome).toMatchObject({
      boundary: 'policy',
      detail: expect.stringContaining('3'),
    });
  });

  describe('a prompt that does not fit the context', () => {
    const tooLong = () => raise(nativeError('PROMPT_TOO_LONG', 'the prompt has 9 tokens'));
    const quality = (turns: readonly { verdict: { quality: number } }[]) =>
      turns.reduce((sum, { verdict }) => sum + verdict.quality, 0) / 3;

    test('at a later turn ends the episode, overlong, with its quality so far', async () => {
      const policy = scriptedPolicy(({ prompt }, completion) =>
        String(prompt).includes('turn 2') && completion === 0 ? tooLong() : '2',
      );
      const rollouts = await rollOut(policy);
      expect(policy.requests).toHaveLength(1 + 4 + 4);
      for (const rollout of rollouts) {
        expect(rollout).toMatchObject({
          outcome: { kind: 'overlong' },
          turns: { length: 2 },
          history: { turns: { length: 2 } },
        });
        expect(rollout.quality).toBeCloseTo(quality(rollout.turns));
        expect(rollout.quality).toBeGreaterThan(0);
      }
    });

    test('keeps the other members of the group', async () => {
      let requests = 0;
      const rollouts = await rollOut(scriptedPolicy(({ n }) => (n === 1 && ++requests === 1 ? tooLong() : '2')));
      expect(rollouts.map(({ outcome }) => outcome.kind).sort()).toEqual([
        'finished',
        'finished',
        'finished',
        'overlong',
      ]);
    });

    test('of a rewrite leaves the quality as it was: every member is overlong, without a turn', async () => {
      const history = openTurn(emptyHistory, iterate('2'));
      const start: Start = { task, history, intent: 'improve' };
      for (const rollout of await rollOut(scriptedPolicy(tooLong), { start, family: oneRung })) {
        expect(rollout).toMatchObject({ outcome: { kind: 'overlong' }, turns: { length: 0 }, history, quality: 0.5 });
      }
    });

    test('of a base task fails its group, after one request', async () => {
      const policy = scriptedPolicy(tooLong);
      expect((await rollOut(policy))[0]?.outcome).toMatchObject({ kind: 'failed', boundary: 'policy' });
      expect(policy.requests).toHaveLength(1);
    });

    test('masks the last turn that fits, and no other, when overlong answers are filtered', async () => {
      const policy = scriptedPolicy(({ prompt }) => (String(prompt).includes('turn 2') ? tooLong() : '2'));
      const rollouts = await rollOut(policy, { size: 1 });
      const numbers = Float64Array.of(0);
      const group = { start: baseTask, rollouts, rewards: numbers, qualities: numbers, score: 0, columns: [] };
      const masks = (overlongFilter: boolean) =>
        assembleBatch([{ group, advantages: Float64Array.of(1) }], overlongFilter).sequences.map(
          ({ mask }) => mask?.[0],
        );
      expect(masks(true)).toEqual([undefined, 0]);
      expect(masks(false)).toEqual([undefined, undefined]);
    });
  });

  test('a failure at a later turn keeps the earlier turns', async () => {
    const policy = scriptedPolicy(({ n }) => (n === 4 ? '2' : fail('down')));
    const [rollout] = await rollOut(policy);
    expect(rollout).toMatchObject({
      turns: { length: 1 },
      history: { turns: { length: 1 } },
      outcome: { kind: 'failed' },
    });
  });
});

describe('rolloutStart rejects for', () => {
  test('an error of the engine', async () => {
    const policy = scriptedPolicy(() => raise(nativeError('OUT_OF_MEMORY', 'out of memory')));
    await expect(rollOut(policy)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  });

  test('cancellation, however the policy reports it', async () => {
    const aborted = scriptedPolicy(() => completionOf('', 'abort'));
    await expect(rollOut(aborted)).rejects.toSatisfy((error) => CancelledError.isInstance(error));
    const controller = new AbortController();
    const throwing = scriptedPolicy(() => {
      controller.abort();
      return fail('This operation was aborted');
    });
    await expect(rollOut(throwing, { signal: controller.signal })).rejects.toSatisfy((error) =>
      CancelledError.isInstance(error),
    );
    expect(throwing.requests[0]?.signal).toBe(controller.signal);
  });
});

function fail(message: string): never {
  throw new Error(message);
}

function raise(error: Error): never {
  throw error;
}
