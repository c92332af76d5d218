import { expect, test } from 'vitest';
import { CancelledError, nativeError } from '../../src/errors.js';
import type { Generated, GenerateRequest } from '../../src/policy/policy.js';
import { completionOf } from '../support/scripted-policy.js';
import { evaluate, scripted } from './digits.js';

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
