import { expect, test } from 'vitest';
import { CancelledError, nativeError } from '../../src/errors.js';
import type { Generated, GenerateRequest } from '../../src/policy/policy.js';
import type { TaskFamily } from '../../src/task/task.js';
import { completionOf } from '../support/scripted-policy.js';
import { digits, evaluate, scripted, tasks } from './digits.js';

const failingVerifier: TaskFamily['verify'] = (task, history, answer, intent) => {
  if (intent === 'improve') throw new Error('the verifier fell asleep');
  return digits().verify(task, history, answer, intent);
};

test('counts a failing verifier and keeps the earlier answer', async () => {
  const family = { ...digits(), verify: failingVerifier };
  const result = await evaluate(
    scripted(() => '9'),
    { family, tasks: tasks.slice(0, 1), draws: 1 },
  );
  expect(result.solved).toEqual([1, 1, 1, 1]);
  expect(result.failures).toEqual({ count: 3, first: 'the verifier fell asleep' });
});

test('a rewrite that no longer fits the context leaves the answer, and is not a failure', async () => {
  const family = digits();
  const script = scripted((request) => {
    if (request.intent === 'improve') throw nativeError('PROMPT_TOO_LONG', 'the prompt has 9 tokens');
    return '9';
  });
  const result = await evaluate(script, { family, tasks: tasks.slice(0, 1), draws: 1 });
  expect(result.solved).toEqual([1, 1, 1, 1]);
  expect(result.failures).toBeUndefined();
});

test('rejects when the engine fails', async () => {
  const generate = () => Promise.reject(nativeError('OUT_OF_MEMORY', 'no memory'));
  await expect(evaluate({ generate })).rejects.toThrow('no memory');
});

test('cancels the requests of the other chains when the engine fails', async () => {
  const waiting: AbortSignal[] = [];
  const generate = ({ signal }: GenerateRequest): Promise<Generated> => {
    if (signal) waiting.push(signal);
    if (waiting.length === 3) return Promise.reject(nativeError('OUT_OF_MEMORY', 'no memory'));
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new CancelledError())));
  };
  await expect(evaluate({ generate })).rejects.toThrow('no memory');
  expect(waiting.map(({ aborted }) => aborted)).toEqual([true, true, true]);
});

test('passes the signal to every request in flight, without a warning', async () => {
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
  const cancelled = evaluate({ generate }, { tasks: many, signal: controller.signal });
  await expect(cancelled).rejects.toSatisfy((error) => CancelledError.isInstance(error));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', warned);
  expect(warnings).toEqual([]);
});

test('rejects when a request is cancelled', async () => {
  const policy = scripted(() => completionOf('', 'abort'));
  await expect(evaluate(policy)).rejects.toSatisfy((error) => CancelledError.isInstance(error));
});

test('omits failures when there are none', async () => {
  expect(await evaluate(scripted(() => '9'))).not.toHaveProperty('failures');
});
