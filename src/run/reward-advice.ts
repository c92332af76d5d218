/** Warns of rewards from which a run cannot learn, at the first update that has them, and counts them until the end. */
import type { Group } from '../method/group.js';
import type { NamedReward, RewardColumn } from '../reward/named.js';

type Warn = (text: string) => void;

/** One function's rewards so far. */
interface Tally {
  rewards: number;
  none: number;
  outside: number;
  /** Answers that have no reward because the function failed. */
  failed: number;
}

/** Watches the rewards of a run. */
export interface RewardWatch {
  /** Receives the groups of an update. */
  see(groups: readonly Group[]): void;
  /** Says what was counted, once training has ended. */
  finish(): void;
}

const emptyTally = (): Tally => ({ rewards: 0, none: 0, outside: 0, failed: 0 });

/** Counts the rewards of one function in an update; without a range, none lies outside. */
function tally({ values, trouble }: RewardColumn, range: NamedReward['range'] | undefined): Tally {
  const counts = emptyTally();
  values.forEach((value, at) => {
    if (trouble[at] !== 0) counts.failed++;
    if (trouble[at] !== 0) return;
    counts.rewards++;
    if (Number.isNaN(value)) counts.none++;
    else if (range && (value < range[0] || value > range[1])) counts.outside++;
  });
  return counts;
}

/** The first failure of these groups that names the function. */
function failureOf(name: string, groups: readonly Group[]): string {
  const outcomes = groups.flatMap(({ rollouts }) => rollouts.map(({ outcome }) => outcome));
  const details = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? outcome.detail : []));
  const detail = details.find((text) => text.includes(name));
  return detail === undefined ? '' : `: ${detail}`;
}

const cure =
  'quality is cut to [0, 1]; set `range: [least, largest]` in its entry of `rewards`, or in namedReward(fn, { range })';

/**
 * Watches reward functions. `measuresQuality`: their sum, rescaled from the ranges, is the quality of an answer; elsewhere
 * ranges are not read.
 */
export function watchRewards(rewards: readonly NamedReward[], measuresQuality: boolean, warn: Warn): RewardWatch {
  const totals = rewards.map(emptyTally);
  const rangeOf = (at: number): NamedReward['range'] | undefined => (measuresQuality ? rewards[at]?.range : undefined);
  const name = (at: number): string => `the reward function \`${rewards[at]?.name ?? at}\``;

  const warnFirst = (at: number, before: Tally, now: Tally, example: number | undefined): void => {
    if (before.outside === 0 && now.outside > 0) {
      const range = rangeOf(at)?.join(', ');
      warn(`${name(at)} returned ${example}, outside its range [${range}]: ${cure}`);
    }
    if (before.rewards === 0 && now.rewards > 0 && now.none === now.rewards) {
      warn(`${name(at)} returned null for all ${now.rewards} answers of the first update: nothing is learnt from it`);
    }
  };

  return {
    see: (groups) => {
      for (const [at, total] of totals.entries()) {
        const range = rangeOf(at);
        const columns = groups.flatMap(({ columns: all }) => all[at] ?? []);
        const isOutside = (value: number): boolean => range !== undefined && (value < range[0] || value > range[1]);
        const example = columns.flatMap(({ values }) => Array.from(values)).find(isOutside);
        const counts = columns.map((column) => tally(column, range));
        const now = counts.reduce((sum, one) => add(sum, one), emptyTally());
        warnFirst(at, total, now, example);
        if (total.failed === 0 && now.failed > 0)
          warn(`${name(at)} failed for ${now.failed} of ${answers(now)} answers${failureOf(name(at), groups)}`);
        Object.assign(total, add(total, now));
      }
    },
    finish: () => {
      for (const [at, total] of totals.entries()) {
        const { rewards: count, none, outside, failed } = total;
        if (failed > 0) warn(`${name(at)} failed for ${failed} of ${answers(total)} answers, which were left out`);
        if (outside > 0)
          warn(`${outside} of ${count} rewards of \`${rewards[at]?.name}\` lay outside its range: ${cure}`);
        if (none > 0 && none === count) warn(`all ${count} rewards of \`${rewards[at]?.name}\` were null`);
      }
    },
  };
}

const answers = ({ rewards, failed }: Tally): number => rewards + failed;

const add = (one: Tally, other: Tally): Tally => ({
  rewards: one.rewards + other.rewards,
  none: one.none + other.none,
  outside: one.outside + other.outside,
  failed: one.failed + other.failed,
});
