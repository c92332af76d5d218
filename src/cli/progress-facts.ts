/** Selects the metrics of an update that the live tables of `train` and `demo` show. */
import type { ProgressState } from '../report/progress-row.js';

type Facts = Omit<ProgressState, 'update' | 'updates' | 'secondsLeft' | 'phase'>;

const columns: Readonly<Record<keyof Facts, string>> = {
  reward: 'reward',
  solved: 'solved',
  depth: 'curriculum/depth',
  entropy: 'entropy',
  buffer: 'buffer/size',
  tokensPerSecond: 'perf/tokens_per_second',
};

/** Returns metrics by the table's names; the table shows a dash for an absent one. */
export function progressFacts(metrics: Readonly<Record<string, number | undefined>>): Facts {
  const known = Object.entries(columns).filter(([, key]) => metrics[key] !== undefined);
  return Object.fromEntries(known.map(([name, key]) => [name, metrics[key]]));
}
