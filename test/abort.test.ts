import { describe, expect, test } from 'vitest';
import { mapBounded, together, untilAborted } from '../src/abort.js';
import { CancelledError } from '../src/errors.js';

const wait = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Rejects as a cancelled request does, once the signal fires. */
const untilCancelled = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new CancelledError())));

describe('mapBounded', () => {
  test('starts calls in order, at most as many at a time as its limit, and keeps the order of results', async () => {
    const begun: number[] = [];
    let [running, most] = [0, 0];
    const results = await mapBounded(4, { limit: 2 }, async (index) => {
      begun.push(index);
      most = Math.max(most, ++running);
      await wait([30, 10, 10, 5][index] as number);
      running -= 1;
      return index * index;
    });
    expect(results).toEqual([0, 1, 4, 9]);
    expect(begun).toEqual([0, 1, 2, 3]);
    expect(most).toBe(2);
  });

  test('starts no call after a failure, aborts the others, and rejects with that failure when they have ended', async () => {
    const ended: string[] = [];
    const calls = [
      async () => {
        await wait(10);
        throw new Error('first');
      },
      (signal: AbortSignal) => untilCancelled(signal).finally(() => ended.push('second')),
      async () => {
        ended.push('third');
      },
    ];
    const running = mapBounded(calls.length, { limit: 2 }, async (at, signal) => calls[at]?.(signal));
    await expect(running).rejects.toThrow('first');
    expect(ended).toEqual(['second']);
  });

  test('is cancelled between calls by the outer signal', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const running = mapBounded(5, { limit: 1, signal: stop.signal }, async (index) => {
      seen.push(index);
      if (index === 1) stop.abort();
    });
    await expect(running).rejects.toBeInstanceOf(CancelledError);
    expect(seen).toEqual([0, 1]);
  });

  test('returns an empty list without calls', async () => {
    expect(await mapBounded(0, { limit: 4 }, () => Promise.reject(new Error('called')))).toEqual([]);
  });
});

describe('together', () => {
  test('cancels the other parts when one fails, waits for them, and rejects with the failure that came first', async () => {
    let cancelled = false;
    const running = together(undefined, (signal) => [
      untilCancelled(signal).catch((error: unknown) => {
        cancelled = true;
        throw error;
      }),
      wait(5).then(() => Promise.reject(new Error('broken'))),
    ]);
    await expect(running).rejects.toThrow('broken');
    expect(cancelled).toBe(true);
  });

  test('stops listening to the outer signal when it is over', async () => {
    const { signal } = new AbortController();
    const listeners: string[] = [];
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.push('added');
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.push('removed');
      removeEventListener.apply(signal, args);
    };
    expect(await together(signal, () => [Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
    expect(listeners).toEqual(['added', 'removed']);
  });
});

describe('untilAborted', () => {
  test('gives the result of the work, or its failure', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(signal, Promise.resolve(3))).toBe(3);
    await expect(untilAborted(signal, Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  test('stops waiting when the signal fires, whatever the work does', async () => {
    const stop = new AbortController();
    const waiting = untilAborted(stop.signal, new Promise(() => {}));
    stop.abort();
    await expect(waiting).rejects.toBeInstanceOf(CancelledError);
    await expect(untilAborted(stop.signal, new Promise(() => {}))).rejects.toBeInstanceOf(CancelledError);
  });
});
