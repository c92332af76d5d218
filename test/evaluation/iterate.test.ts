import { describe, expect, test } from 'vitest';
import type { EvaluationProgress } from '../../src/evaluation/iterate.js';
import type { GenerateRequest } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';
import { completionOf } from '../support/scripted-policy.js';
import { depth, digits, evaluate, scripted, tasks } from './digits.js';

describe('one turn', () => {
  test('measures quality, solved share, corrections and gains of known chains', async () => {
    // x: 3 6 9 9 (solved at k = 2); y: 9 9 3 9 (broken, then fixed); z: never better than 0.
    const course: Record<string, string> = { x: '3699', y: '9939', z: '0000' };
    const policy = scripted((shown) => course[shown.id]?.[depth(shown)] ?? '');
    const result = await evaluate(policy);
    expect(result.k).toEqual([0, 1, 2, 3]);
    const quality = [(3 + 9) / 27, (6 + 9) / 27, (9 + 3) / 27, (9 + 9) / 27];
    for (const [k, value] of result.quality.entries()) expect(value).toBeCloseTo(quality[k] ?? NaN, 12);
    expect(result.solved).toEqual([1 / 3, 1 / 3, 1 / 3, 2 / 3]);
    expect(result.fixed).toEqual([0, 0, 1 / 3, 1 / 3]);
    expect(result.broken).toEqual([0, 0, 1 / 3, 0]);
    expect(result.deltaSolved).toBeCloseTo(1 / 3, 12);
    expect([result.fixedTotal, result.brokenTotal]).toEqual([2 / 3, 1 / 3]);
    expect(result.deltaQuality).toBeCloseTo(6 / 27, 12);
    expect(result).toMatchObject({ tasks: 3, draws: 2 });
  });

  test('requests the attempts of a task together and every improvement separately', async () => {
    const policy = scripted(() => '1');
    await evaluate(policy);
    const attempts = policy.requests.filter(({ shown }) => shown.intent === 'attempt');
    expect(attempts.map(({ n }) => n)).toEqual([2, 2, 2]);
    const improvements = policy.requests.filter(({ shown }) => shown.intent === 'improve');
    expect(improvements).toHaveLength(3 * 2 * 3);
    expect(improvements.every(({ n }) => n === 1)).toBe(true);
    expect(new Set(policy.requests.map(({ requestId }) => requestId)).size).toBe(policy.requests.length);
  });

  test('averages over draws', async () => {
    const policy = scripted((_shown, _request, member) => (member === 0 ? '9' : '0'));
    expect((await evaluate(policy, { iterations: 0, draws: 4 })).solved).toEqual([0.25]);
  });

  test('an overlong answer does not count, even when it is well-formed', async () => {
    const policy = scripted((shown) => (shown.intent === 'attempt' ? completionOf('9', 'length') : '9'));
    expect((await evaluate(policy)).solved).toEqual([0, 0, 0, 0]);
  });

  test('shows the chain that was solved nearest to four iterations, up to its solution', async () => {
    const course: Record<string, string> = { x: '39', y: '1359', z: '9' };
    const policy = scripted((shown) => course[shown.id]?.[depth(shown)] ?? '9');
    const { example } = await evaluate(policy);
    expect(example).toEqual({
      taskId: 'y',
      openings: [],
      steps: ['1', '3', '5', '9'].map((answer, k) => ({
        k,
        answer,
        quality: Number(answer) / 9,
        feedback: `got ${answer}`,
      })),
    });
  });
});

describe('concurrency', () => {
  const random = () =>
    scripted((_shown, { requestId }, member) => String(createRng(requestId).fork('m', member).int(10)));

  test('does not change the result, which depends on the seed', async () => {
    const clock = () => 0;
    const one = await evaluate(random(), { concurrency: 1, clock });
    expect(await evaluate(random(), { concurrency: 100, clock })).toEqual(one);
    expect(await evaluate(random(), { seed: 6, clock })).not.toEqual(one);
  });

  test('limits the chains in flight', async () => {
    let inFlight = 0;
    let most = 0;
    const policy = random();
    const generate = async (request: GenerateRequest) => {
      inFlight += request.n;
      most = Math.max(most, inFlight);
      const generated = await policy.generate(request);
      inFlight -= request.n;
      return generated;
    };
    await evaluate({ generate }, { concurrency: 4, draws: 2 });
    expect(most).toBe(4);
  });

  test('reports every answer and every task once', async () => {
    const seen: EvaluationProgress[] = [];
    await evaluate(random(), { onProgress: (progress) => seen.push(progress) });
    expect([...new Set(seen.map(({ tasksDone }) => tasksDone))]).toEqual([0, 1, 2, 3]);
    // Three tasks, two draws, k = 0 … 3, then three reports of tasks.
    expect(seen).toHaveLength(24 + 3);
    expect(seen.at(-1)).toEqual({ tasksDone: 3, tasks: 3, answersDone: 24, answers: 24 });
  });
});

describe('several turns', () => {
  test('improves every turn k times before the next', async () => {
    // Each turn starts at 3 and gains 3 by each improvement.
    const policy = scripted((shown) => String(Math.min(9, shown.intent === 'attempt' ? 3 : 3 + 3 * depth(shown))));
    const result = await evaluate(policy, { family: digits(2), tasks: tasks.slice(0, 1), draws: 1, iterations: 2 });
    for (const [k, value] of result.quality.entries()) expect(value).toBeCloseTo((3 + 3 * k) / 9, 12);
    expect(result.solved).toEqual([0, 0, 1]);
    const second = policy.requests.filter(({ shown }) => shown.answers.length === 1 && shown.intent === 'attempt');
    expect(second.map(({ shown }) => shown.answers[0]).sort()).toEqual(['3', '3>6', '3>6>9']);
  });

  test('ends the episode at a malformed turn and keeps the quality of earlier turns', async () => {
    const policy = scripted((shown) => (shown.answers.length === 0 ? '9' : '?'));
    const result = await evaluate(policy, { family: digits(3), iterations: 0, draws: 1 });
    expect(result.quality[0]).toBeCloseTo(1 / 3, 12);
    expect(policy.requests).toHaveLength(6);
  });
});
