/**
 * One chain of K-step self-improvement: attempt once, then improve the current answer. The rules:
 * a malformed or failed answer does not replace the current one, and without a current answer the next iteration attempts
 * again; in a multi-turn task "k iterations" improves every turn k times before the next turn begins.
 */
import { emptyHistory, type History, type Intent } from '../history.js';
import {
  type AnswerContext,
  appendAnswer,
  episodeQuality,
  failedOutcome,
  generateAnswers,
  isContextFull,
  type Start,
  toIterate,
  verifyCompletion,
} from '../method/rollout.js';
import type { Completion } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import type { Verdict } from '../task/task.js';

export interface ChainContext extends AnswerContext {
  /** Receives the reason for each answer that infrastructure failed to give or verify. */
  readonly onFailure: (detail: string) => void;
}

/** A turn after some iterations. */
export interface Position {
  /** Includes the turn once it has a well-formed answer. */
  readonly history: History;
  readonly answered: boolean;
  /** True when the current answer ends the episode. */
  readonly done: boolean;
}

interface Answer {
  readonly completion: Completion;
  readonly verdict: Verdict;
}

/** Returns the result of `work`; undefined when task or policy failed for this answer only, or the context is full. */
async function unlessFailed<Value>(
  { onFailure }: ChainContext,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await work();
  } catch (error) {
    // The chain has grown out of the context: nothing failed, and the current answer stands.
    if (!isContextFull(error)) onFailure(failedOutcome(error).detail);
    return undefined;
  }
}

/** Generates `n` completions of one prompt; undefined when infrastructure failed. */
export async function completeTurn(
  context: ChainContext,
  start: Pick<Start, 'history' | 'intent'>,
  n: number,
  rng: Rng,
): Promise<readonly Completion[] | undefined> {
  const stream = { seed: rng.seed, requestId: rng.id() };
  const generated = await unlessFailed(context, () => generateAnswers(context, start, n, stream));
  return generated?.completions;
}

async function verifyAnswer(
  context: ChainContext,
  history: History,
  intent: Intent,
  completion: Completion | undefined,
): Promise<Answer | undefined> {
  if (completion === undefined) return undefined;
  const { family, task } = context;
  const verdict = await unlessFailed(context, () => verifyCompletion(family, task, history, intent, completion));
  return verdict?.wellFormed ? { completion, verdict } : undefined;
}

/** Returns the position after one more answer; a malformed or failed answer leaves it unchanged. */
function advance(position: Position, intent: Intent, answer: Answer | undefined): Position {
  if (answer === undefined) return position;
  const { completion, verdict } = answer;
  const history = appendAnswer(position.history, intent, toIterate(completion, verdict));
  return { history, answered: true, done: verdict.done === true };
}

/**
 * Attempts the turn after `history` and improves it `iterations` times. Returns the positions after 0, 1, … iterations.
 * `first` is the completion of the attempt, where the caller has generated it.
 */
async function iterateTurn(
  context: ChainContext,
  history: History,
  iterations: number,
  rng: Rng,
  first?: Completion,
): Promise<Position[]> {
  const positions: Position[] = [];
  let position: Position = { history, answered: false, done: false };
  for (let k = 0; k <= iterations; k++) {
    const intent = position.answered ? 'improve' : 'attempt';
    const shared = k === 0 ? first : undefined;
    const completion =
      shared ?? (await completeTurn(context, { history: position.history, intent }, 1, rng.fork('iteration', k)))?.[0];
    position = advance(position, intent, await verifyAnswer(context, position.history, intent, completion));
    positions.push(position);
  }
  return positions;
}

/** Runs the remaining turns, each improved `iterations` times; a turn without a well-formed answer ends the episode. */
async function finishEpisode(context: ChainContext, from: Position, iterations: number, rng: Rng): Promise<History> {
  let position = from;
  while (position.answered && !position.done && position.history.turns.length < context.family.turns) {
    const turn = rng.fork('turn', position.history.turns.length, iterations);
    const positions = await iterateTurn(context, position.history, iterations, turn);
    position = positions.at(-1) ?? from;
  }
  return position.history;
}

export interface Chain {
  /** Episode quality after k iterations at every turn, for k = 0 … K. */
  readonly qualities: readonly number[];
  /** The first turn after each k. */
  readonly positions: readonly Position[];
}

/**
 * Runs one chain. It iterates the first turn once and branches off every k from it, so a single-turn task costs K + 1
 * completions.
 */
export async function runChain(
  context: ChainContext,
  iterations: number,
  rng: Rng,
  first?: Completion,
): Promise<Chain> {
  const { family, task } = context;
  const positions = await iterateTurn(context, emptyHistory, iterations, rng, first);
  const histories = await Promise.all(positions.map((position, k) => finishEpisode(context, position, k, rng)));
  // Without a well-formed answer there is no episode to measure.
  const qualities = histories.map((history) =>
    history.turns.length === 0 ? 0 : episodeQuality(family, task, history),
  );
  return { qualities, positions };
}
