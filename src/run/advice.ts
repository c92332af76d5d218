/** Warns, with the fix, of a run that cannot learn with its settings. */
import type { RunConfig } from '../config/parse.js';
import { methods } from '../method/methods.js';
import type { TaskFamily } from '../task/task.js';
import type { MetricsRow } from './metrics.js';

/** Share of cut-off answers in one update, from which the run warns. */
const mostlyCutOff = 0.5;

/** Warns before the first update of a run whose buffer can never hold enough starts to replay one. */
export function warnOfNoReplay(
  config: RunConfig,
  family: Pick<TaskFamily, 'turns'>,
  warn: (text: string) => void,
): void {
  const { method, buffer, updates, startsPerBatch } = config;
  if (methods[method].curriculum === 'uniform') return;
  const storable = updates * startsPerBatch * family.turns;
  if (storable >= buffer.minimumFill) return;
  warn(
    `replay begins at ${buffer.minimumFill} stored starts, and this run can store ${storable}: it trains as grpo does; ` +
      'lower buffer.minimumFill or make more updates',
  );
}

/** Warns at the first update in which most answers were cut off. */
export function createCutOffWarning({ sampling }: Pick<RunConfig, 'sampling'>, warn: (text: string) => void) {
  let warned = false;
  return (row: MetricsRow): void => {
    const ratio = row['completions/clipped_ratio'] ?? 0;
    if (warned || ratio < mostlyCutOff) return;
    warned = true;
    warn(
      `${Math.round(100 * ratio)} % of the answers of update ${row.update} were cut off at ${sampling.maxNewTokens} tokens: they ` +
        'count as quality 0 and are not trained on by default; raise sampling.maxNewTokens, or set overlongFilter: false',
    );
  };
}
