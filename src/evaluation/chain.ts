/**
 * One chain of K-step self-improvement: attempt once, then improve the current answer. The rules:
 * the next iteration always shows the last readable answer, and without one it attempts again; in a multi-turn task
 * "k iterations" improves every turn k times before the next turn begins; an answer that infrastructure fails to give or
 * to verify makes the whole chain unknown.
 */
import { together } from '../abort.js';
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
import type { UnreadableRule } from './evaluation.js';

/** A task with the policy that answers it, and the rules of a chain. */
export interface ChainContext extends AnswerContext {
  /** K: improve steps after the attempt. */
  readonly iterations: number;
  readonly unreadable: UnreadableRule;
  /** Called when the answer of one more k is measured. */
  readonly onAnswer: () => void;
}

/** A turn after some iterations. */
export interface Position {
  /** The readable answers so far, which the next iteration shows: the turn is among them once it has one. */
  readonly history: History;
  readonly answered: boolean;
  /** False when the answer of this very iteration was malformed, cut off, or had no room in the context. */
  readonly readable: boolean;
  /** True when the last readable answer ends the episode. */
  readonly done: boolean;
}

/** An episode in which every turn was improved k times. */
interface Episode {
  readonly quality: number;
  /** True when the last answer to one of its turns was unreadable. */
  readonly unreadable: boolean;
}

/** One chain; every list has an entry for k = 0 … K. */
export interface Chain {
  /** Episode quality after k iterations at every turn. */
  readonly qualities: readonly number[];
  readonly unreadable: readonly boolean[];
  /** The first turn after each k. */
  readonly positions: readonly Position[];
}

/**
 * Generates `n` completions of one prompt; none where the history has outgrown the context: an answer that is cut off
 * before its first token. A base task whose prompt is too long fails.
 */
async function completeTurn(
  context: ChainContext,
  start: Pick<Start, 'history' | 'intent'>,
  n: number,
  rng: Rng,
): Promise<readonly Completion[]> {
  try {
    return (await generateAnswers(context, start, n, { seed: rng.seed, requestId: rng.id() })).completions;
  } catch (error) {
    if (isContextFull(error)) return [];
    throw error;
  }
}

/** Generates the attempts of `draws` chains in one request; none when it fails: each chain then attempts separately. */
export async function attemptTogether(context: ChainContext, draws: number, rng: Rng): Promise<readonly Completion[]> {
  try {
    return await completeTurn(context, { history: emptyHistory, intent: 'attempt' }, draws, rng);
  } catch (error) {
    failedOutcome(error);
    return [];
  }
}

/** Returns the position after one more answer; an unreadable one leaves the history as it was. */
async function advance(
  { family, task }: ChainContext,
  position: Position,
  intent: Intent,
  completion: Completion | undefined,
): Promise<Position> {
  const verdict = completion && (await verifyCompletion(family, task, position.history, intent, completion));
  if (completion === undefined || !verdict?.wellFormed) return { ...position, readable: false };
  const history = appendAnswer(position.history, intent, toIterate(completion, verdict));
  return { history, answered: true, readable: true, done: verdict.done === true };
}

interface Turn {
  /** The turns before this one. */
  readonly history: History;
  readonly iterations: number;
  readonly rng: Rng;
  /** The completion of the attempt, where the caller has generated it. */
  readonly first?: Completion | undefined;
  readonly onPosition?: () => void;
}

/** Attempts a turn and improves it. Returns the positions after 0, 1, … iterations. */
async function iterateTurn(context: ChainContext, turn: Turn): Promise<Position[]> {
  const { history, iterations, rng, first, onPosition } = turn;
  const positions: Position[] = [];
  let position: Position = { history, answered: false, readable: false, done: false };
  for (let k = 0; k <= iterations; k++) {
    const intent = position.answered ? 'improve' : 'attempt';
    const shared = k === 0 ? first : undefined;
    const start = { history: position.history, intent } as const;
    const completion = shared ?? (await completeTurn(context, start, 1, rng.fork('iteration', k)))[0];
    position = await advance(context, position, intent, completion);
    positions.push(position);
    onPosition?.();
  }
  return positions;
}

/**
 * Runs the turns after the first, each improved `iterations` times. A turn without a readable answer ends the episode
 * before that turn; under the rule `count` so does a turn whose last answer is unreadable, even when it has an earlier one.
 */
async function finishEpisode(context: ChainContext, from: Position, iterations: number, rng: Rng): Promise<Episode> {
  const { family, task, unreadable: rule } = context;
  const stands = ({ answered, readable }: Position): boolean => (rule === 'count' ? readable : answered);
  let history = emptyHistory;
  let position = from;
  let unreadable = !from.readable;
  while (stands(position)) {
    history = position.history;
    if (position.done || history.turns.length >= family.turns) break;
    const turn = { history, iterations, rng: rng.fork('turn', history.turns.length, iterations) };
    position = (await iterateTurn(context, turn)).at(-1) as Position;
    unreadable ||= !position.readable;
  }
  // Without a readable answer there is no episode to measure.
  return { quality: history.turns.length === 0 ? 0 : episodeQuality(family, task, history), unreadable };
}

async function measureChain(context: ChainContext, rng: Rng, first: Completion | undefined): Promise<Chain> {
  const { family, iterations, onAnswer } = context;
  const single = family.turns === 1;
  const turn = { history: emptyHistory, iterations, rng, first, ...(single && { onPosition: onAnswer }) };
  const positions = await iterateTurn(context, turn);
  const episodes = await together(context.signal, (signal) =>
    positions.map(async (position, k) => {
      const episode = await finishEpisode({ ...context, signal }, position, k, rng);
      if (!single) onAnswer();
      return episode;
    }),
  );
  const qualities = episodes.map(({ quality }) => quality);
  return { qualities, unreadable: episodes.map(({ unreadable }) => unreadable), positions };
}

/**
 * Runs one chain; returns the reason when infrastructure failed to give or to verify one of its answers. It iterates the
 * first turn once and branches off every k from it, so a single-turn task costs K + 1 completions.
 * @throws CancelledError when the signal fires, NativeError when the engine fails.
 */
export async function runChain(context: ChainContext, rng: Rng, first?: Completion): Promise<Chain | string> {
  let answered = 0;
  const onAnswer = (): void => {
    answered++;
    context.onAnswer();
  };
  try {
    return await measureChain({ ...context, onAnswer }, rng, first);
  } catch (error) {
    const { detail } = failedOutcome(error);
    while (answered <= context.iterations) onAnswer();
    return detail;
  }
}
