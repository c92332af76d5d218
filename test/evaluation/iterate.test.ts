import { describe, expect, test } from 'vitest';
import { CancelledError, nativeError } from '../../src/errors.js';
import { evaluateIterations } from '../../src/evaluation/iterate.js';
import type { Completion, Generated, GenerateRequest } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';
import type { Task, TaskFamily } from '../../src/task/task.js';

/** The prompt is JSON of what the task wants and what was said; an answer is a digit, its quality a ninth of it. */
interface Shown {
  readonly id: string;
  readonly intent: string;
  readonly said: readonly string[];
}

const digits = (turns = 1): TaskFamily => ({
  name: 'digits',
  turns,
  tasks: () => tasks,
  prompt: (task, history, intent) =>
    JSON.stringify({
      id: task.id,
      intent,
      said: history.turns.map((turn) => turn.iterates.map(({ text }) => text).join('>')),
    }),
  judge: (_task, _history, answer) =>
    /^\d$/.test(answer)
      ? { quality: Number(answer) / 9, wellFormed: true, feedback: `got ${answer}` }
      : { quality: 0, wellFormed: false },
});

const tasks: Task[] = ['x', 'y', 'z'].map((id) => ({ id, data: null }));

const completion = (text: string, finishReason: Completion['finishReason'] = 'stop'): Completion => ({
  tokens: Int32Array.of(1),
  logprobs: Float32Array.of(0),
  text,
  finishReason,
});

/** Answers by the shown prompt; `said` of the current turn is the last entry. */
function scripted(answer: (shown: Shown, request: GenerateRequest, member: number) => string | Completion) {
  const requests: (GenerateRequest & { shown: Shown })[] = [];
  const generate = async (request: GenerateRequest): Promise<Generated> => {
    const shown = JSON.parse(String(request.prompt)) as Shown;
    requests.push({ ...request, shown });
    await new Promise((resolve) => setTimeout(resolve, requests.length % 3));
    const completions = Array.from({ length: request.n }, (_, member) => {
      const given = answer(shown, request, member);
      return typeof given === 'string' ? completion(given) : given;
    });
    return { promptTokens: Int32Array.of(1), completions };
  };
  return { generate, requests };
}

const evaluate = (
  policy: ReturnType<typeof scripted>,
  changes: Partial<Parameters<typeof evaluateIterations>[0]> = {},
) =>
  evaluateIterations({
    policy,
    family: digits(),
    tasks,
    iterations: 3,
    draws: 2,
    sampling: { temperature: 1, maxNewTokens: 4 },
    seed: 5,
    ...changes,
  });

/** Number of answers that stand in the current turn. */
const depth = ({ said }: Shown): number => (said.length === 0 ? 0 : (said.at(-1)?.split('>').length ?? 0));

describe('one turn', () => {
  test('quality, solved share, corrections and gains of a known course', async () => {
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
    expect(result.netCorrections).toBeCloseTo(1 / 3, 12);
    expect(result.deltaQuality).toBeCloseTo(6 / 27, 12);
    expect(result).toMatchObject({ tasks: 3, draws: 2 });
  });

  test('the attempts of a task share one request, each improvement is its own', async () => {
    const policy = scripted(() => '1');
    await evaluate(policy);
    const attempts = policy.requests.filter(({ shown }) => shown.intent === 'attempt');
    expect(attempts.map(({ n }) => n)).toEqual([2, 2, 2]);
    const improvements = policy.requests.filter(({ shown }) => shown.intent === 'improve');
    expect(improvements).toHaveLength(3 * 2 * 3);
    expect(improvements.every(({ n }) => n === 1)).toBe(true);
    expect(new Set(policy.requests.map(({ requestId }) => requestId)).size).toBe(policy.requests.length);
  });

  test('draws are averaged', async () => {
    const policy = scripted((_shown, _request, member) => (member === 0 ? '9' : '0'));
    expect((await evaluate(policy, { iterations: 0, draws: 4 })).solved).toEqual([0.25]);
  });

  test('a malformed improvement leaves the answer before it standing', async () => {
    const policy = scripted((shown) => (shown.intent === 'attempt' ? '9' : 'nonsense'));
    const result = await evaluate(policy);
    expect(result.solved).toEqual([1, 1, 1, 1]);
    expect(policy.requests.every(({ shown }) => shown.intent === 'attempt' || shown.said[0] === '9')).toBe(true);
  });

  test('an overlong answer is no answer, even when it reads well', async () => {
    const policy = scripted((shown) => (shown.intent === 'attempt' ? completion('9', 'length') : '9'));
    expect((await evaluate(policy)).solved).toEqual([0, 0, 0, 0]);
  });

  test('after a malformed attempt comes another attempt', async () => {
    let attempts = 0;
    const policy = scripted(({ intent }) => (intent === 'attempt' && ++attempts <= 2 ? '?' : '9'));
    const result = await evaluate(policy, { tasks: tasks.slice(0, 1) });
    expect(result.solved).toEqual([0, 1, 1, 1]);
    expect(policy.requests.map(({ shown }) => shown.intent)).toEqual([
      'attempt',
      'attempt',
      'attempt',
      'improve',
      'improve',
      'improve',
      'improve',
    ]);
  });

  test('the example is the chain solved nearest to four iterations, up to its solution', async () => {
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

describe('whatever the order', () => {
  const random = () =>
    scripted((_shown, { requestId }, member) => String(createRng(requestId).fork('m', member).int(10)));

  test('concurrency does not change the result, the seed does', async () => {
    const clock = () => 0;
    const one = await evaluate(random(), { concurrency: 1, clock });
    expect(await evaluate(random(), { concurrency: 100, clock })).toEqual(one);
    expect(await evaluate(random(), { seed: 6, clock })).not.toEqual(one);
  });

  test('no more chains are in flight than allowed', async () => {
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
    await evaluate({ ...policy, generate }, { concurrency: 4, draws: 2 });
    expect(most).toBe(4);
  });

  test('progress counts every task once', async () => {
    const seen: number[] = [];
    await evaluate(random(), { onProgress: ({ tasksDone, tasks: total }) => seen.push(tasksDone / total) });
    expect(seen).toEqual([1 / 3, 2 / 3, 1]);
  });
});

describe('several turns', () => {
  test('at k every turn is improved k times before the next', async () => {
    // Each turn starts at 3 and gains 3 by each improvement.
    const policy = scripted((shown) => String(Math.min(9, shown.intent === 'attempt' ? 3 : 3 + 3 * depth(shown))));
    const result = await evaluate(policy, { family: digits(2), tasks: tasks.slice(0, 1), draws: 1, iterations: 2 });
    for (const [k, value] of result.quality.entries()) expect(value).toBeCloseTo((3 + 3 * k) / 9, 12);
    expect(result.solved).toEqual([0, 0, 1]);
    const second = policy.requests.filter(({ shown }) => shown.said.length === 1 && shown.intent === 'attempt');
    expect(second.map(({ shown }) => shown.said[0]).sort()).toEqual(['3', '3>6', '3>6>9']);
  });

  test('an unreadable turn ends the episode, which keeps what was earned', async () => {
    const policy = scripted((shown) => (shown.said.length === 0 ? '9' : '?'));
    const result = await evaluate(policy, { family: digits(3), iterations: 0, draws: 1 });
    expect(result.quality[0]).toBeCloseTo(1 / 3, 12);
    expect(policy.requests).toHaveLength(6);
  });
});

describe('trouble', () => {
  test('a failing judge is counted and leaves the answer before standing', async () => {
    const family = { ...digits(), judge: failingJudge };
    const result = await evaluate(
      scripted(() => '9'),
      { family, tasks: tasks.slice(0, 1), draws: 1 },
    );
    expect(result.solved).toEqual([1, 1, 1, 1]);
    expect(result.failures).toEqual({ count: 3, first: 'the judge fell asleep' });
  });

  test('a failing engine rejects', async () => {
    const generate = () => Promise.reject(nativeError('OUT_OF_MEMORY', 'no memory'));
    await expect(evaluate({ ...scripted(() => '9'), generate })).rejects.toThrow('no memory');
  });

  test('a failing engine ends the requests of the other chains', async () => {
    const waiting: AbortSignal[] = [];
    const generate = ({ signal }: GenerateRequest): Promise<Generated> => {
      if (signal) waiting.push(signal);
      if (waiting.length === 3) return Promise.reject(nativeError('OUT_OF_MEMORY', 'no memory'));
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new CancelledError())));
    };
    await expect(evaluate({ ...scripted(() => '9'), generate })).rejects.toThrow('no memory');
    expect(waiting.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });

  test('the signal reaches every request in flight, without a warning', async () => {
    const warnings: string[] = [];
    const warned = ({ name }: Error) => void warnings.push(name);
    process.on('warning', warned);
    const controller = new AbortController();
    let inFlight = 0;
    const generate = ({ signal }: GenerateRequest): Promise<Generated> =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new CancelledError()));
        if (++inFlight === 40) controller.abort();
      });
    const many = Array.from({ length: 40 }, (_, id) => ({ id: String(id), data: null }));
    const cancelled = evaluate({ ...scripted(() => '9'), generate }, { tasks: many, signal: controller.signal });
    await expect(cancelled).rejects.toSatisfy((error) => CancelledError.isInstance(error));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  test('a cancelled request rejects', async () => {
    const policy = scripted(() => completion('', 'abort'));
    await expect(evaluate(policy)).rejects.toSatisfy((error) => CancelledError.isInstance(error));
  });

  test('no failures are reported where there are none', async () => {
    expect(await evaluate(scripted(() => '9'))).not.toHaveProperty('failures');
  });
});

const failingJudge: TaskFamily['judge'] = (task, history, answer, intent) => {
  if (intent === 'improve') throw new Error('the judge fell asleep');
  return digits().judge(task, history, answer, intent);
};
