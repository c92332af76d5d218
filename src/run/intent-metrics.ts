/** Metrics by intent: whether a policy learns to improve is not to be seen in means over all starts. */
import { type Intent, lastIterate } from '../history.js';
import { type Group, isTrainable } from '../method/group.js';
import type { Rollout } from '../method/rollout.js';
import { mean, share } from '../stats.js';

/** The answer that a rewrite replaces and the one that it gives, at the rewritten turn. */
interface Rewrite {
  readonly gain: number;
  readonly isRepeated: boolean;
}

function toRewrite({ start, turns, history }: Rollout): Rewrite | undefined {
  const turn = start.history.turns.length - 1;
  const before = lastIterate(start.history);
  const after = lastIterate(history, turn);
  if (before === undefined || after === undefined || turns.length === 0) return undefined;
  return { gain: after.quality - before.quality, isRepeated: after.text === before.text };
}

/** Reports the rollouts of one intent; nothing where there are none. */
function metricsOf(intent: Intent, groups: readonly Group[]): Record<string, number> {
  const rollouts = groups
    .filter(({ start }) => start.intent === intent)
    .flatMap((group) => group.rollouts.filter(({ quality }) => !Number.isNaN(quality)));
  if (rollouts.length === 0) return {};
  const rewrites = intent === 'attempt' ? [] : rollouts.flatMap((rollout) => toRewrite(rollout) ?? []);
  return {
    [`quality/${intent}`]: mean(rollouts.map(({ quality }) => quality)),
    [`solved/${intent}`]: share(rollouts, ({ quality }) => quality === 1),
    ...(rewrites.length > 0 && {
      [`gain/${intent}`]: mean(rewrites.map(({ gain }) => gain)),
      [`repeated/${intent}`]: share(rewrites, ({ isRepeated }) => isRepeated),
    }),
  };
}

/**
 * Reports quality and solved share of attempts, improvements and diverge steps; for rewrites also the mean gain of quality
 * over the previous answer of the turn, and the share that repeat it verbatim. Counts the groups that are trained on.
 */
export function intentMetrics(groups: readonly Group[]): Record<string, number> {
  const known = groups.filter(isTrainable);
  return Object.assign({}, ...(['attempt', 'improve', 'diverge'] as const).map((intent) => metricsOf(intent, known)));
}
