/** The progress of `evaluate`, on a terminal and elsewhere. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { showEvaluation } from '../../src/cli/evaluate-progress.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function show(isTTY: boolean) {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  return { written, progress: showEvaluation({ stream, isTTY, now: () => Date.now() }) };
}

const half = { tasksDone: 12, tasks: 600, answersDone: 2400, answers: 4800 };

test('elsewhere a plain line every ten seconds, with tasks done, time and time left', () => {
  const { written, progress } = show(false);
  vi.advanceTimersByTime(9_999);
  expect(written).toEqual([]);
  vi.advanceTimersByTime(1);
  progress.show(half);
  vi.advanceTimersByTime(50_000);
  progress.finish();
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual([
    'loading the model, 0:10 elapsed\n',
    ...['0:20', '0:30', '0:40', '0:50', '1:00'].map(
      (time) => `12 of 600 tasks, 2,400 of 4,800 answers, ${time} elapsed, ${time} left\n`,
    ),
  ]);
});

test('a short evaluation writes nothing there', () => {
  const { written, progress } = show(false);
  progress.show(half);
  vi.advanceTimersByTime(5_000);
  progress.finish();
  expect(written).toEqual([]);
});

test('before the first answer no time left is known', () => {
  const { written, progress } = show(false);
  progress.show({ ...half, answersDone: 0, tasksDone: 0 });
  vi.advanceTimersByTime(10_000);
  progress.finish();
  expect(written).toEqual(['0 of 600 tasks, 0 of 4,800 answers, 0:10 elapsed\n']);
});

test('on a terminal one line, rewritten, and cleared at the end', () => {
  const { written, progress } = show(true);
  progress.show(half);
  vi.advanceTimersByTime(400);
  progress.finish();
  const clear = '\r\u001b[K';
  expect(written.at(-1)).toBe(clear);
  expect(written).toHaveLength(3);
  for (const text of written) expect(text.startsWith(clear)).toBe(true);
});
