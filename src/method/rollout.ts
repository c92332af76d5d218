/**
 * Rolls out a start to the end of its episode. One request generates the first turn (in a multi-turn task the rewritten
 * one) for the whole group; each member then attempts the remaining turns separately. A bad rollout is data.
 */
import { CancelledError, InvalidRequestError, NativeError, PromptTooLongError } from '../errors.js';
import { append, type History, type Intent, type Iterate, lastIterate, openTurn, withLastQuality } from '../history.js';
import { type Prompt, promptMessages } from '../message.js';
import type { Completion, Generated, GenerateRequest, Policy, Sampling } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import { callPrompt, requireShare, requireVerdict } from '../task/check.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';

/** The beginning of a rollout: a base task (`attempt`, empty history), or a partial history whose last turn is rewritten. */
export interface Start<Data = unknown> {
  readonly task: Task<Data>;
  readonly history: History;
  readonly intent: Intent;
  /** The buffer entry that the start was replayed from; absent for a base task. */
  readonly origin?: StartOrigin;
}

/** The buffer entry of a replayed start. */
export interface StartOrigin {
  /** Update that inserted the entry, from 0. */
  readonly insertedAt: number;
}

/** The part that failed a rollout. */
export type Boundary = 'task' | 'policy' | 'reward';

/**
 * `overlong`: a completion without terminator. `malformed`: an answer that the task could not read.
 * `unscored`: every reward function returned null for the answer; its advantage is 0 and no baseline includes it.
 * `failed`: infrastructure failed twice; the rollout has no quality and no reward.
 */
export type Outcome =
  | { readonly kind: 'finished' }
  | { readonly kind: 'overlong' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unscored' }
  | { readonly kind: 'failed'; readonly boundary: Boundary; readonly detail: string };

/** One generated turn of a rollout: the prompt as token ids, the completion, and the verifier's result for it. */
export interface RolloutTurn {
  readonly promptTokens: Int32Array;
  readonly completion: Completion;
  readonly verdict: Verdict;
}

/** One generated continuation from a start to the end of its episode. A failure is data, in `outcome`. */
export interface Rollout {
  readonly start: Start;
  /** The generated turns, the rewritten one first. */
  readonly turns: readonly RolloutTurn[];
  /** The history after the last turn. */
  readonly history: History;
  /** Quality of the whole episode in [0, 1]; NaN when the rollout failed: unknown, not bad. */
  readonly quality: number;
  readonly outcome: Outcome;
}

/** The start to roll out, and the parts that generate and verify its answers. */
export interface RolloutOptions {
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly start: Start;
  /** G: rollouts of this start. */
  readonly size: number;
  readonly sampling: Sampling;
  readonly rng: Rng;
  readonly signal?: AbortSignal;
}

/**
 * Rolls out one start G times. Failures of task or policy become the outcome `failed`.
 * @throws CancelledError when the signal fires, NativeError when the engine fails.
 */
export async function rolloutStart(options: RolloutOptions): Promise<readonly Rollout[]> {
  const { start, size } = options;
  try {
    const context = { ...options, task: start.task };
    const { promptTokens, completions } = await generateAnswers(context, start, size, requestFrom(options.rng));
    return await Promise.all(
      completions.map((completion, member) => finishEpisode(options, member, { promptTokens, completion })),
    );
  } catch (error) {
    const outcome = failedOutcome(error);
    return Array.from({ length: size }, () => ({ start, turns: [], history: start.history, quality: NaN, outcome }));
  }
}

type Answer = Omit<RolloutTurn, 'verdict'>;

/** Verifies the first answer of one member and rolls out its remaining turns. */
async function finishEpisode(options: RolloutOptions, member: number, first: Answer): Promise<Rollout> {
  const { family, start } = options;
  const turns: RolloutTurn[] = [];
  let { history, intent } = start;
  try {
    for (let answer = first; ; intent = 'attempt') {
      const verdict = await verifyCompletion(family, start.task, history, intent, answer.completion);
      turns.push({ ...answer, verdict });
      history = appendAnswer(history, intent, toIterate(answer.completion, verdict));
      if (endsEpisode(family, history, verdict)) break;
      answer = await attemptNextTurn(options, member, history);
    }
    const quality = await atBoundary('task', () => episodeQuality(family, start.task, history));
    return { start, turns, history, quality, outcome: determineOutcome(turns) };
  } catch (error) {
    return { start, turns, history, quality: NaN, outcome: failedOutcome(error) };
  }
}

async function attemptNextTurn(options: RolloutOptions, member: number, history: History): Promise<Answer> {
  const context = { ...options, task: options.start.task };
  const request = requestFrom(options.rng.fork('turn', history.turns.length, member));
  const { promptTokens, completions } = await generateAnswers(context, { history, intent: 'attempt' }, 1, request);
  return { promptTokens, completion: completions[0] as Completion };
}

/** Seed and request id, which select the random stream of a request. */
type RequestStream = Pick<GenerateRequest, 'seed' | 'requestId'>;

const requestFrom = (rng: Rng): RequestStream => ({ seed: rng.seed, requestId: rng.fork('request').id() });

/** A task with the policy that answers it. */
export interface AnswerContext extends Pick<RolloutOptions, 'policy' | 'family' | 'sampling' | 'signal'> {
  readonly task: Task;
}

/**
 * Generates `n` completions of one prompt in one request.
 * @throws CancelledError when the signal fires, BoundaryFailure when task or policy fail twice, NativeError when the engine
 * fails.
 */
export async function generateAnswers(
  { policy, family, task, sampling, signal }: AnswerContext,
  { history, intent }: Pick<Start, 'history' | 'intent'>,
  n: number,
  stream: RequestStream,
): Promise<Generated> {
  const prompt = await atBoundary('task', () => callPrompt(family, task, history, intent));
  const request = { prompt, n, sampling, ...stream };
  const generated = await atBoundary('policy', async () => {
    if (signal?.aborted) throw new CancelledError();
    const generating = policy.generate(signal ? { ...request, signal } : request);
    const result = await generating.catch((error: unknown) => refusePrompt(family, task, prompt, error));
    if (result.completions.length === n) return result;
    throw new Error(`the policy returned ${result.completions.length} completions, ${n} were requested`);
  });
  if (generated.completions.some(({ finishReason }) => finishReason === 'abort')) throw new CancelledError();
  return generated;
}

/** Rethrows an error of the policy, for an empty prompt with family and task: some tokenizers add a token to it. */
function refusePrompt(family: TaskFamily, task: Task, prompt: Prompt, error: unknown): never {
  const isEmpty = prompt === '' || promptMessages(prompt)?.length === 0;
  if (!isEmpty || !InvalidRequestError.isInstance(error)) throw error;
  const message = `${family.name}: the prompt of task ${task.id} is empty`;
  throw new InvalidRequestError(error.code, message, { ...error.fields, taskId: task.id }, { cause: error });
}

/**
 * Verifies a completion. One without terminator gets quality 0 without a call of the verifier. A verifier that throws is
 * called once more with the same answer: sampling another answer would favour those that do not crash the verifier.
 * @throws BoundaryFailure when the verifier fails twice.
 */
export async function verifyCompletion(
  family: TaskFamily,
  task: Task,
  history: History,
  intent: Intent,
  completion: Pick<Completion, 'text' | 'tokens' | 'finishReason'>,
): Promise<Verdict> {
  if (completion.finishReason === 'length') return { quality: 0, wellFormed: false };
  return atBoundary('task', async () => {
    const verdict = await family.verify(task, history, completion.text, intent, Array.from(completion.tokens));
    return requireVerdict(family, task, verdict);
  });
}

/**
 * Returns the quality of the episode: the family's own measure, or the sum of the turns' current qualities divided by the
 * number of turns that the family has.
 * @throws TaskError when the quality is outside [0, 1].
 */
export function episodeQuality(family: TaskFamily, task: Task, history: History): number {
  const quality = family.episodeQuality?.(task, history) ?? meanTurnQuality(history, family.turns);
  return requireShare(quality, `${family.name}: the episode's quality`, task.id);
}

function meanTurnQuality(history: History, turns: number): number {
  const total = history.turns.reduce((sum, _, turn) => sum + (lastIterate(history, turn)?.quality ?? 0), 0);
  return total / turns;
}

/** Appends an answer to the history: an attempt opens a turn, a rewrite joins the iterates of the last turn. */
export function appendAnswer(history: History, intent: Intent, iterate: Iterate): History {
  return intent === 'attempt' ? openTurn(history, iterate) : append(history, history.turns.length - 1, iterate);
}

/** Replaces the quality of the rollout's last answer, where rewards measure it. */
export function withQuality(rollout: Rollout, quality: number): Rollout {
  const { turns, history } = rollout;
  const last = turns.length - 1;
  const measured = turns.map((turn, at) => (at === last ? { ...turn, verdict: { ...turn.verdict, quality } } : turn));
  return { ...rollout, turns: measured, history: withLastQuality(history, quality), quality };
}

/** Converts a completion and its verdict to the iterate that the history stores. */
export function toIterate(completion: Pick<Completion, 'text' | 'tokens'>, verdict: Verdict): Iterate {
  const { quality, feedback } = verdict;
  const iterate = { text: completion.text, tokens: Array.from(completion.tokens), quality };
  return feedback === undefined ? iterate : { ...iterate, feedback };
}

// A malformed answer ends the episode, because later turns would build on a history that cannot be read.
function endsEpisode(family: TaskFamily, history: History, verdict: Verdict): boolean {
  return !verdict.wellFormed || verdict.done === true || history.turns.length >= family.turns;
}

function determineOutcome(turns: readonly RolloutTurn[]): Outcome {
  if (turns.some(({ completion }) => completion.finishReason === 'length')) return { kind: 'overlong' };
  return turns.every(({ verdict }) => verdict.wellFormed) ? { kind: 'finished' } : { kind: 'malformed' };
}

/** An infrastructure failure that a retry did not resolve; a rollout turns it into the outcome `failed`. */
class BoundaryFailure extends Error {
  constructor(
    readonly boundary: Boundary,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Runs `work`, and once more when it throws. @throws BoundaryFailure when it throws again. */
async function atBoundary<Value>(boundary: Boundary, work: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (first) {
    if (isFatal(first)) throw first;
  }
  try {
    return await work();
  } catch (second) {
    if (isFatal(second)) throw second;
    throw new BoundaryFailure(boundary, second);
  }
}

// An error of the engine concerns the whole run, except for a prompt that is too long.
function isFatal(error: unknown): boolean {
  return NativeError.isInstance(error) && !PromptTooLongError.isInstance(error);
}

/** Converts a BoundaryFailure to the outcome `failed`. @throws any other error, which concerns the whole run. */
export function failedOutcome(error: unknown): Extract<Outcome, { readonly kind: 'failed' }> {
  if (!(error instanceof BoundaryFailure)) throw error;
  return { kind: 'failed', boundary: error.boundary, detail: error.message };
}
