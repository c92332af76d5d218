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
  const { method, buffer, updates, startsPerBatch, groupSize } = config;
  if (methods[method].curriculum === 'uniform') return;
  if (groupSize === 1) {
    warn(
      'groupSize is 1, and the score of a start compares the answers of its group: no start is stored, and the run trains ' +
        'as grpo does; set groupSize to at least 2, or method: grpo',
    );
    return;
  }
  const storable = updates * startsPerBatch * family.turns;
  if (storable >= buffer.minimumFill) return;
  warn(
    `replay begins at ${buffer.minimumFill} stored starts, and this run can store ${storable}: it trains as grpo does; ` +
      'lower buffer.minimumFill or make more updates',
  );
}

/** Warns at the first update in which most answers were cut off. */
export function createCutOffWarning(
  { sampling, overlongFilter }: Pick<RunConfig, 'sampling' | 'overlongFilter'>,
  warn: (text: string) => void,
) {
  const effect = overlongFilter ? 'count as quality 0 and are not trained on' : 'count as quality 0';
  const filter = overlongFilter ? ', or set overlongFilter: false' : '';
  let warned = false;
  return (row: MetricsRow): void => {
    const ratio = row['completions/clipped_ratio'] ?? 0;
    if (warned || ratio < mostlyCutOff) return;
    warned = true;
    warn(
      `${Math.round(100 * ratio)} % of the answers of update ${row.update} were cut off at ${sampling.maxNewTokens} tokens: they ` +
        `${effect}; raise sampling.maxNewTokens${filter}`,
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

/** Warns of a run in which no answer can end before its greatest length. */
export function warnOfNoEnd(
  endTokenIds: readonly number[],
  { sampling }: Pick<RunConfig, 'sampling'>,
  warn: (text: string) => void,
): void {
  if (endTokenIds.length + sampling.stopTokenIds.length + sampling.stop.length > 0) return;
  warn(
    'no token ends an answer: neither generation_config.json nor config.json of the model names an `eos_token_id`, and ' +
      'sampling.stop and sampling.stopTokenIds are empty; every answer is cut off at sampling.maxNewTokens',
  );
}

/** Share of answers with d at its bound, in one update, from which the run warns. */
const mostlyClamped = 0.5;

/** Warns at the first update in which the diversity bonus is mostly its bound. */
export function createClampWarning({ diversity }: Pick<RunConfig, 'diversity'>, warn: (text: string) => void) {
  let warned = false;
  return (row: MetricsRow): void => {
    const clamped = row['diversity/clamped_share'] ?? 0;
    // A bound of at most 1 cannot amplify a step.
    if (warned || clamped <= mostlyClamped || diversity.clamp <= 1) return;
    warned = true;
    warn(
      `${Math.round(100 * clamped)} % of the answers of update ${row.update} have the diversity factor d at its bound, ` +
        `diversity.clamp = ${diversity.clamp}: they are about equally far from the centre of their group, and the bonus makes the ` +
        'update larger instead of telling them apart; set diversity.clamp to 1, choose a diversity.embedder that ' +
        'separates such answers, or use method: diverge, which has no bonus',
    );
  };
}

/** Entries from which a buffer counts as filled, the share of them that counts as few, and the share of draws of one task that counts as many. */
const collapse = { entries: 32, effectiveShare: 0.1, topTask: 0.5 };

/** Warns at the first update in which replay draws few of the stored starts, or mostly those of one task. */
export function createCollapseWarning({ buffer }: Pick<RunConfig, 'buffer'>, warn: (text: string) => void) {
  let warned = false;
  return (row: MetricsRow): void => {
    const { 'buffer/size': size = 0, 'curriculum/effective_starts': effective = 0 } = row;
    const topTask = row['curriculum/top_task_share'] ?? 0;
    const isCollapsed = effective < collapse.effectiveShare * size || topTask > collapse.topTask;
    if (warned || size < Math.max(collapse.entries, buffer.minimumFill) || !isCollapsed) return;
    warned = true;
    warn(
      `after update ${row.update} the ${size} starts of the buffer count as ${effective.toFixed(1)}, and ${Math.round(100 * topTask)} % of ` +
        'the replays are of one task; lower buffer.priority.inverseTemperature, or set buffer.taskShare, for example to 0.1',
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
  const watchers = [
    createCutOffWarning(config, warn),
    createEqualRewardsWarning(config, warn),
    createClampWarning(config, warn),
    createCollapseWarning(config, warn),
  ];
  return (row) => {
    for (const watch of watchers) watch(row);
  };
}
