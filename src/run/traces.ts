/** Writes rollouts as lines of traces.jsonl, which show the exact completions of the policy. */

import type { RunConfig } from '../config/parse.js';
import { depth, historyKey, parent } from '../history.js';
import type { CreditedGroup } from '../method/advantage.js';
import type { RolloutTurn, Start } from '../method/rollout.js';
import type { MetricsRow } from './metrics.js';
import type { Run } from './run.js';

// Nine significant digits identify every float32 and keep the line short.
const shorten = (value: number): number => Number(value.toPrecision(9));

function traceTurn({ completion, verdict, promptTokens }: RolloutTurn): object {
  return {
    prompt: Array.from(promptTokens),
    tokens: Array.from(completion.tokens),
    logprobs: Array.from(completion.logprobs, shorten),
    text: completion.text,
    finishReason: completion.finishReason,
    quality: verdict.quality,
    feedback: verdict.feedback ?? null,
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

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);

function traceGroup(update: number, place: number, { group, advantages, factors }: CreditedGroup): object[] {
  const { start, rollouts, rewards, score } = group;
  const origin = traceStart(update, start);
  return rollouts.map(({ turns, history, quality, outcome }, member) => ({
    update,
    group: place,
    member,
    ...origin,
    score: orNull(score),
    reached: historyKey(start.task.id, history),
    quality,
    reward: rewards[member],
    advantage: advantages[member],
    d: factors?.[member] ?? null,
    outcome: outcome.kind,
    version: update - 1,
    turns: turns.map(traceTurn),
  }));
}

/** Converts one update to lines: none, those of its first group, or all. */
export function traceUpdate(update: number, groups: readonly CreditedGroup[], traces: RunConfig['traces']): object[] {
  switch (traces) {
    case 'none':
      return [];
    case 'sample':
      return groups.slice(0, 1).flatMap((group) => traceGroup(update, 0, group));
    case 'all':
      return groups.flatMap((group, place) => traceGroup(update, place, group));
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
  credited: readonly CreditedGroup[],
): Promise<void> {
  if (run === undefined) return;
  const lines = traceUpdate(update, credited, config.traces);
  if (lines.length > 0) await run.folder.traces.append(lines);
}
