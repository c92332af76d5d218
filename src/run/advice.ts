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

/** Warns before the first update of a run whose groups all have equal rewards by their settings. */
export function warnOfNoComparison(
  { groupSize, sampling }: Pick<RunConfig, 'groupSize' | 'sampling'>,
  warn: (text: string) => void,
): void {
  if (groupSize === 1 || sampling.temperature !== 0) return;
  warn(
    'sampling.temperature is 0, so the answers of a group are equal and every advantage is 0; ' +
      'set sampling.temperature above 0, for example to 1',
  );
}

/** Consecutive updates with equal rewards in every group from which the run warns. */
const equalLimit = 3;

/** Warns once when the rewards were equal within every group for several updates in a row. */
export function createEqualRewardsWarning({ groupSize }: Pick<RunConfig, 'groupSize'>, warn: (text: string) => void) {
  let inARow = 0;
  return (row: MetricsRow): void => {
    // A group of one is trained on its reward.
    if (groupSize === 1 || inARow === equalLimit) return;
    inARow = row.frac_reward_zero_std === 1 ? inARow + 1 : 0;
    if (inARow < equalLimit) return;
    warn(
      `in updates ${row.update - equalLimit + 1} to ${row.update} every answer of a group had the same reward, so nothing ` +
        'was learnt from them; check the reward function, or try easier tasks, a larger groupSize, or a higher ' +
        'sampling.temperature',
    );
  };
}

/** Warns before the first update of settings with which a run cannot learn. */
export function warnBeforeTraining(
  config: RunConfig,
  family: Pick<TaskFamily, 'turns'>,
  warn: (text: string) => void,
): void {
  warnOfNoReplay(config, family, warn);
  warnOfNoComparison(config, warn);
}

/** Creates the warnings about finished updates. */
export function createUpdateWarnings(config: RunConfig, warn: (text: string) => void): (row: MetricsRow) => void {
  const watchers = [createCutOffWarning(config, warn), createEqualRewardsWarning(config, warn)];
  return (row) => {
    for (const watch of watchers) watch(row);
  };
}
