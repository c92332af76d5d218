/** What `exit-rl train` shows of each update to a person. */
import type { RunConfig } from '../config.js';
import type { MetricsRow } from '../trainer/metrics.js';

const shown = (row: MetricsRow, key: string, digits: number): string => (row[key] ?? 0).toFixed(digits);

function line(row: MetricsRow, updates: number): string {
  const parts = [
    `update ${row.update}/${updates}`,
    `reward ${shown(row, 'reward', 3)}`,
    `solved ${((row.solved ?? 0) * 100).toFixed(1)} %`,
    `depth ${shown(row, 'curriculum/depth', 2)}`,
    `entropy ${shown(row, 'entropy', 3)}`,
    `grad norm ${shown(row, 'grad_norm', 3)}`,
    `${Math.round(row['perf/tokens_per_second'] ?? 0)} tokens/s`,
  ];
  return parts.join('  ');
}

/** Prints about fifty lines over the run, the first and the last update among them. */
export function createProgress(config: Pick<RunConfig, 'updates'>, begun: number): (row: MetricsRow) => void {
  const every = Math.max(1, Math.ceil((config.updates - begun) / 50));
  return (row) => {
    const due = row.update === begun + 1 || row.update === config.updates || row.update % every === 0;
    if (due) process.stdout.write(`${line(row, config.updates)}\n`);
  };
}
