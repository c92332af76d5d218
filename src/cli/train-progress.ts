/** Shows the updates of `exit-rl train` to a person: a live table on a terminal, a plain line now and then elsewhere. */
import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config/parse.js';
import { createProgress } from '../report/progress.js';
import type { MetricsRow } from '../run/metrics.js';
import { progressFacts } from './progress-facts.js';

export interface TrainProgress {
  show(row: MetricsRow): void;
  finish(): void;
}

/** Shows a run that starts after update `begun`. */
export function createTrainProgress({ method, seed, task, updates }: RunConfig, begun: number): TrainProgress {
  const stream = process.stdout;
  const progress = createProgress({ stream, isTTY: stream.isTTY === true, title: `training on ${task}` });
  const began = performance.now();
  const show = (row: MetricsRow): void => {
    const secondsPerUpdate = (performance.now() - began) / 1000 / (row.update - begun);
    const secondsLeft = secondsPerUpdate * (updates - row.update);
    progress.update(`${method} seed ${seed}`, { update: row.update, updates, secondsLeft, ...progressFacts(row) });
  };
  return { show, finish: () => progress.finish() };
}
