/** Shows the progress of `exit-rl evaluate`: one line rewritten on a terminal, a plain line now and then elsewhere. */
import { performance } from 'node:perf_hooks';
import type { EvaluationProgress } from '../evaluation/iterate.js';
import { clock, count, whole } from '../report/format.js';

/** The stream of the lines, and replacements for its clock. */
export interface ProgressTarget {
  readonly stream: { write(text: string): unknown };
  readonly isTTY: boolean;
  /** Milliseconds of a monotonic clock; by default `performance.now()`. */
  readonly now?: () => number;
}

export interface ShownProgress {
  show(progress: EvaluationProgress): void;
  finish(): void;
}

const redrawMilliseconds = 200;
const lineMilliseconds = 10_000;

/** Formats `120 of 600 tasks, 4,321 of 20,400 answers, 0:42 elapsed, 2:10 left`. */
function progressText(progress: EvaluationProgress | undefined, elapsed: number): string {
  const seconds = elapsed / 1000;
  if (progress === undefined) return `loading the model, ${clock(seconds)} elapsed`;
  const { tasksDone, tasks, answersDone, answers } = progress;
  const left = answersDone === 0 ? '' : `, ${clock(seconds * (answers / answersDone - 1))} left`;
  return `${whole(tasksDone)} of ${count(tasks, 'task')}, ${whole(answersDone)} of ${count(answers, 'answer')}, ${clock(seconds)} elapsed${left}`;
}

/**
 * Shows progress until `finish`. A timer writes the lines, so that they come also while the first answers are awaited; it
 * does not keep the process alive. On a terminal `finish` clears the line.
 */
export function showEvaluation({ stream, isTTY, now = () => performance.now() }: ProgressTarget): ShownProgress {
  const began = now();
  let latest: EvaluationProgress | undefined;
  const write = (): void => {
    const text = progressText(latest, now() - began);
    stream.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  };
  const timer = setInterval(write, isTTY ? redrawMilliseconds : lineMilliseconds).unref();
  return {
    show: (progress) => {
      latest = progress;
    },
    finish: () => {
      clearInterval(timer);
      if (isTTY) stream.write('\r\u001b[K');
    },
  };
}
