/** Writes rollouts as lines of traces.jsonl, which show the exact completions of the policy. */

import type { RunConfig } from '../config/parse.js';
import { depth, historyKey, parent } from '../history.js';
import type { CreditedGroup } from '../method/advantage.js';
import { historiesAfter } from '../method/expand.js';
import type { Group } from '../method/group.js';
import type { Rollout, RolloutTurn, Start } from '../method/rollout.js';
import type { Updated } from '../method/update.js';
import type { MetricsRow } from './metrics.js';
import type { Run } from './run.js';

// Nine significant digits identify every float32 and keep the line short.
const shorten = (value: number): number => Number(value.toPrecision(9));

function traceTurn({ completion, verdict, promptTokens }: RolloutTurn, reached: string): object {
  return {
    prompt: Array.from(promptTokens),
    tokens: Array.from(completion.tokens),
    logprobs: Array.from(completion.logprobs, shorten),
    text: completion.text,
    finishReason: completion.finishReason,
    quality: verdict.quality,
    feedback: verdict.feedback ?? null,
    reached,
  };
}

/** The place of a start in its lineage, and the score of the entry that it was drawn from; null for a base task. */
function traceStart(update: number, { task, history, intent, origin }: Start): object {
  const before = parent(history);
  return {
    task: task.id,
    start: historyKey(task.id, history),
    parent: before === undefined ? null : historyKey(task.id, before),
    entry: origin?.key ?? null,
    intent,
    turn: Math.max(0, history.turns.length - 1),
    depth: depth(history),
    stored_score: origin?.score ?? null,
    // Entries count updates from 0.
    score_age: origin === undefined ? null : update - 1 - origin.scoredAt,
    score_origin: origin === undefined ? null : origin.measured ? 'measured' : 'inherited',
  };
}

/** An unknown number is null. */
const orNull = (value = Number.NaN): number | null => (Number.isNaN(value) ? null : value);

/** The key of the history after each generated answer of the rollout: every later start is one of them. */
const reachedKeys = (rollout: Rollout): string[] =>
  historiesAfter(rollout).map((history) => historyKey(rollout.start.task.id, history));

function traceGroup(update: number, place: number, group: Group, credited: CreditedGroup | undefined): object[] {
  const { start, rollouts, rewards, score } = group;
  const origin = traceStart(update, start);
  return rollouts.map((rollout, member) => {
    const { turns, history, quality, outcome } = rollout;
    const reached = reachedKeys(rollout);
    return {
      update,
      group: place,
      member,
      ...origin,
      score: orNull(score),
      reached: historyKey(start.task.id, history),
      quality: orNull(quality),
      reward: orNull(rewards[member]),
      advantage: orNull(credited?.advantages[member]),
      d: orNull(credited?.factors?.[member]),
      outcome: outcome.kind,
      version: update - 1,
      turns: turns.map((turn, at) => traceTurn(turn, reached[at] as string)),
    };
  });
}

/**
 * Converts one update to lines: none, those of its first group, or all. Groups that were not trained on have lines as well,
 * because the buffer may hold what they reached.
 */
export function traceUpdate(
  update: number,
  { groups, credited }: Pick<Updated, 'groups' | 'credited'>,
  traces: RunConfig['traces'],
): object[] {
  const trained = new Map(credited.map((one) => [one.group, one]));
  const trace = (group: Group, place: number): object[] => traceGroup(update, place, group, trained.get(group));
  switch (traces) {
    case 'none':
      return [];
    case 'sample':
      return groups.slice(0, 1).flatMap(trace);
    case 'all':
      return groups.flatMap(trace);
    default:
      return traces satisfies never;
  }
}

export interface Recorded {
  readonly run?: Run;
  readonly config: { readonly traces: RunConfig['traces'] };
}

export async function recordMetrics({ run }: Pick<Recorded, 'run'>, row: MetricsRow): Promise<void> {
  if (run === undefined) return;
  await run.folder.metrics.append([row]);
  await run.folder.events?.append(row);
}

export async function recordTraces(
  { run, config }: Recorded,
  update: number,
  updated: Pick<Updated, 'groups' | 'credited'>,
): Promise<void> {
  if (run === undefined) return;
  const lines = traceUpdate(update, updated, config.traces);
  if (lines.length > 0) await run.folder.traces.append(lines);
}
