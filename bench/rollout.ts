/** Measures rollout tokens/s against transformers `generate`, for distinct prompts and for groups of 8 on one prompt. */
import type { LocalPolicy } from '../src/policy/local-policy.js';
import type { Generated, Policy } from '../src/policy/policy.js';
import { alternate, row, secondsOf, type TableRow } from './lib/measure.js';
import { watchNeighbours } from './lib/neighbours.js';
import type { Peer } from './lib/peer.js';

const promptLength = 19;
const batchSizes = [1, 8, 64, 256];
const completionLengths = [6, 64];
const groupSize = 8;

/** Both sides of a measurement, which have loaded the same model. */
export interface Contest {
  readonly policy: LocalPolicy;
  readonly peer: Peer;
  readonly vocabularySize: number;
}

export type Report = (row: TableRow) => void;

interface Shape {
  readonly newTokens: number;
  /** Completions in flight. */
  readonly batch: number;
  /** Completions of one prompt. */
  readonly n: number;
}

/** Draws tokens of ordinary words, different in every prompt. */
export function makePrompts(count: number, vocabularySize: number): number[][] {
  let state = 12345;
  const next = (): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  const firstWord = 5;
  return Array.from({ length: count }, () =>
    Array.from({ length: promptLength }, () => firstWord + Math.floor(next() * (vocabularySize - firstWord))),
  );
}

/** Runs per measurement: enough that a fast one exceeds the clock's resolution, few enough for a few minutes in all. */
const repeatsFor = (batch: number, newTokens: number): number => (batch * newTokens >= 4096 ? 3 : 5);

export async function benchRollout(contest: Contest, report: Report): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  for (const newTokens of completionLengths) {
    for (const batch of batchSizes) {
      for (const n of batch % groupSize === 0 ? [1, groupSize] : [1]) {
        const result = await measure(contest, { newTokens, batch, n });
        rows.push(result);
        report(result);
      }
    }
  }
  return rows;
}

async function measure({ policy, peer, vocabularySize }: Contest, { newTokens, batch, n }: Shape): Promise<TableRow> {
  const prompts = makePrompts(batch / n, vocabularySize);
  const repeated = prompts.flatMap((prompt) => Array.from({ length: n }, () => prompt));
  const tokens = batch * newTokens;
  let seed = 0;
  const ours = async (): Promise<number> => {
    seed++;
    return tokens / (await secondsOf(() => generateAll(policy, prompts, n, newTokens, seed)));
  };
  const theirs = async (): Promise<number> => {
    const ask = { do: 'rollout', prompts: repeated, new_tokens: newTokens };
    return tokens / (await peer.ask<{ seconds: number }>(ask)).seconds;
  };
  const details = { batch, group: n, promptTokens: promptLength, newTokens };
  const label = `rollout, batch ${batch}${n > 1 ? ` as groups of ${n}` : ''}, ${promptLength} + ${newTokens} tokens`;
  const neighbours = watchNeighbours([process.pid, peer.processId]);
  const sides = await alternate(ours, theirs, repeatsFor(batch, newTokens));
  return { label, ...row('rollout', 'tokens/s', details, sides), busyElsewhere: neighbours() };
}

/** Fails when a completion is shorter than requested, which would make the sides incomparable. */
export async function generateAll(
  policy: Pick<Policy, 'generate'>,
  prompts: readonly (readonly number[])[],
  n: number,
  newTokens: number,
  seed: number,
): Promise<Generated[]> {
  const sampling = { temperature: 1, maxNewTokens: newTokens };
  const groups = await Promise.all(
    prompts.map((prompt, requestId) => policy.generate({ prompt, n, sampling, seed, requestId })),
  );
  for (const { completions } of groups) {
    if (completions.some(({ tokens }) => tokens.length !== newTokens)) throw new Error('a completion ended early');
  }
  return groups;
}
