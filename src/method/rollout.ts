/**
 * Rolls out a start to the end of its episode. One request generates the first turn (in a multi-turn task the rewritten
 * one) for the whole group; each member then attempts the remaining turns separately. A bad rollout is data.
 */
import { CancelledError, InvalidRequestError, NativeError, PromptTooLongError } from '../errors.js';
import { append, type History, type Intent, type Iterate, lastIterate, openTurn, withLastQuality } from '../history.js';
import { type Prompt, promptMessages } from '../message.js';
import type { Completion, Generated, GenerateRequest, Policy, Sampling } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import { thrownMessage } from '../shown.js';
import { callPrompt, requireShare, requireVerdict } from '../task/check.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';
import type { Boundary, Outcome } from './outcome.js';

/** The beginning of a rollout: a base task (`attempt`, empty history), or a partial history whose last turn is rewritten. */
export interface Start<Data = unknown> {
  readonly task: Task<Data>;
  readonly history: History;
  readonly intent: Intent;
  /** The buffer entry that the start was replayed from; absent for a base task. */
  readonly origin?: StartOrigin;
}

/** The buffer entry of a replayed start, as it was when the start was drawn. The start may be a prefix of the entry. */
export interface StartOrigin {
  /** Key of the entry. */
  readonly key: string;
  /** Update that inserted the entry, from 0. */
  readonly insertedAt: number;
  /** S of the entry. */
  readonly score: number;
  /** Update that set the score, from 0. */
  readonly scoredAt: number;
  /** Whether the score was measured by a group drawn from the entry, or inherited. */
  readonly measured: boolean;
}

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
    const ended = await endEarly(options, [], start.history, error);
    return Array.from({ length: size }, () => ended);
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
  } catch (error) {
    return endEarly(options, turns, history, error);
  }
  return measureEpisode(options, turns, history, determineOutcome(turns));
}

type EpisodeParts = Pick<RolloutOptions, 'family' | 'start'>;

/** Ends an episode at an error. One whose next prompt does not fit the context keeps its quality so far. */
async function endEarly(
  parts: EpisodeParts,
  turns: readonly RolloutTurn[],
  history: History,
  error: unknown,
): Promise<Rollout> {
  if (isContextFull(error)) return measureEpisode(parts, turns, history, { kind: 'overlong' });
  return { start: parts.start, turns, history, quality: Number.NaN, outcome: failedOutcome(error) };
}

async function measureEpisode(
  parts: EpisodeParts,
  turns: readonly RolloutTurn[],
  history: History,
  outcome: Outcome,
): Promise<Rollout> {
  const { family, start } = parts;
  try {
    const measure = (): number => episodeQuality(family, start.task, history);
    const quality = await atBoundary('task', measure, family.repeatable);
    return { start, turns, history, quality, outcome };
  } catch (error) {
    return endEarly(parts, turns, history, error);
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
 * @throws CancelledError when the signal fires, ContextFull when the prompt of a history does not fit the context,
 * BoundaryFailure when task or policy fail twice, NativeError when the engine fails.
 */
export async function generateAnswers(
  { policy, family, task, sampling, signal }: AnswerContext,
  { history, intent }: Pick<Start, 'history' | 'intent'>,
  n: number,
  stream: RequestStream,
): Promise<Generated> {
  const prompt = await atBoundary('task', () => callPrompt(family, task, history, intent), true);
  const { addSpecialTokens = true } = family;
  // Rollouts are drawn from the policy that is trained, whatever its folder asks of generated text.
  const request = { prompt, addSpecialTokens, generationConfig: false, n, sampling, ...stream };
  const generated = await atBoundary(
    'policy',
    async () => {
      if (signal?.aborted) throw new CancelledError();
      const generating = policy.generate(signal ? { ...request, signal } : request);
      const result = await generating.catch((error: unknown) => {
        // A base task whose prompt is too long has no quality so far: it fails.
        if (PromptTooLongError.isInstance(error) && history.turns.length > 0) throw new ContextFull(error);
        return refusePrompt(family, task, prompt, error);
      });
      if (result.completions.length === n) return result;
      throw new Error(`the policy returned ${result.completions.length} completions, ${n} were requested`);
    },
    true,
  );
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
 * called once more with the same answer where the family is `repeatable`: sampling another answer would favour those that do
 * not crash the verifier.
 * @throws BoundaryFailure when the verifier fails.
 */
export async function verifyCompletion(
  family: TaskFamily,
  task: Task,
  history: History,
  intent: Intent,
  completion: Pick<Completion, 'text' | 'tokens' | 'finishReason'>,
): Promise<Verdict> {
  if (completion.finishReason === 'length') return { quality: 0, wellFormed: false };
  const verify = async (): Promise<Verdict> => {
    const verdict = await family.verify(task, history, completion.text, intent, Array.from(completion.tokens));
    return requireVerdict(family, task, verdict);
  };
  return atBoundary('task', verify, family.repeatable);
}

/**
 * Returns the quality of the episode: the family's own measure, or the sum of the turns' current qualities divided by the
 * number of turns that the family has. An episode that an answer of quality 1 ended early is divided by its own turns.
 * @throws TaskError when the quality is outside [0, 1].
 */
export function episodeQuality(family: TaskFamily, task: Task, history: History): number {
  const quality = family.episodeQuality?.(task, history) ?? meanTurnQuality(history, family.turns);
  return requireShare(quality, `${family.name}: the episode's quality`, task.id);
}

function meanTurnQuality(history: History, turns: number): number {
  const total = history.turns.reduce((sum, _, turn) => sum + (lastIterate(history, turn)?.quality ?? 0), 0);
  const last = lastIterate(history);
  const isSolved = last?.done === true && last.quality === 1;
  return total / (isSolved ? history.turns.length : turns);
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
  const { quality, feedback, done } = verdict;
  const iterate = { text: completion.text, tokens: Array.from(completion.tokens), quality };
  return { ...iterate, ...(feedback !== undefined && { feedback }), ...(done === true && { done }) };
}

// A malformed answer ends the episode, because later turns would build on a history that cannot be read.
function endsEpisode(family: TaskFamily, history: History, verdict: Verdict): boolean {
  return !verdict.wellFormed || verdict.done === true || history.turns.length >= family.turns;
}

/** Whether the overlong filter masks a turn: a completion without terminator, or the last one that fits the context. */
export function isOverlong({ turns, outcome }: Rollout, at: number): boolean {
  return turns[at]?.completion.finishReason === 'length' || (outcome.kind === 'overlong' && at === turns.length - 1);
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
    super(thrownMessage(cause), { cause });
  }
}

/** The prompt of the next answer does not fit the context: an episode ends there, and nothing failed. */
class ContextFull extends Error {
  constructor(cause: PromptTooLongError) {
    super(cause.message, { cause });
  }
}

/** Whether an answer was not generated because its history no longer fits the context. */
export const isContextFull = (error: unknown): boolean => error instanceof ContextFull;

/** Runs `work`, and once more when it throws and is `repeatable`. @throws BoundaryFailure when it throws again. */
async function atBoundary<Value>(
  boundary: Boundary,
  work: () => Value | Promise<Value>,
  repeatable = false,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (isFatal(error) || isContextFull(error)) throw error;
    if (!repeatable || PromptTooLongError.isInstance(error)) throw new BoundaryFailure(boundary, error);
  }
  return atBoundary(boundary, work);
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
