/** What `exit-rl train` shows of each update to a person: the live table, or a plain line now and then. */
import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config.js';
import { createProgress } from '../report/progress.js';
import type { ProgressState } from '../report/progress-row.js';
import type { MetricsRow } from '../trainer/metrics.js';

export interface TrainProgress {
  show(row: MetricsRow): void;
  finish(): void;
}

type Facts = Omit<ProgressState, 'update' | 'updates' | 'secondsLeft' | 'phase'>;

/** Metrics of an update by the table's names; what an update does not have stays a dash. */
const columns: Readonly<Record<keyof Facts, string>> = {
  reward: 'reward',
  solved: 'solved',
  depth: 'curriculum/depth',
  entropy: 'entropy',
  buffer: 'buffer/size',
  tokensPerSecond: 'perf/tokens_per_second',
};

function factsOf(row: MetricsRow): Facts {
  const known = Object.entries(columns).flatMap(([name, key]) => (row[key] === undefined ? [] : [[name, row[key]]]));
  return Object.fromEntries(known);
}

/** Shows a run that begins after update `begun`. */
export function createTrainProgress({ method, seed, task, updates }: RunConfig, begun: number): TrainProgress {
  const stream = process.stdout;
  const progress = createProgress({ stream, isTTY: stream.isTTY === true, title: `training on ${task}` });
  const began = performance.now();
  const show = (row: MetricsRow): void => {
    const secondsPerUpdate = (performance.now() - began) / 1000 / (row.update - begun);
    const secondsLeft = secondsPerUpdate * (updates - row.update);
    progress.update(`${method} seed ${seed}`, { update: row.update, updates, secondsLeft, ...factsOf(row) });
  };
  return { show, finish: () => progress.finish() };
}
