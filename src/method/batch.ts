/** Turns groups and their advantages into the flat batch that the policy is updated with. */

import type { TrainingSequence, UpdateBatch } from '../policy/policy.js';
import { type Rng, shuffle } from '../rng.js';
import type { CreditedGroup } from './advantage.js';
import type { Rollout, RolloutTurn } from './rollout.js';
import type { TrainSettings } from './settings.js';

interface PromptedSequence {
  readonly promptTokens: Int32Array;
  readonly sequence: Omit<TrainingSequence, 'prompt'>;
}

/** A completion without terminator gets a mask of zeros when the overlong filter is on. */
function sequenceOf(
  { completion }: RolloutTurn,
  rollout: number,
  advantage: number,
  overlongFilter: boolean,
): Omit<TrainingSequence, 'prompt'> {
  const { tokens, logprobs } = completion;
  const sequence = { tokens, rollout, advantage, behaviourLogprobs: logprobs };
  const overlong = overlongFilter && completion.finishReason === 'length';
  return overlong ? { ...sequence, mask: new Uint8Array(tokens.length) } : sequence;
}

function sequencesOf(rollout: Rollout, id: number, advantage: number, overlongFilter: boolean): PromptedSequence[] {
  return rollout.turns.map((turn) => ({
    promptTokens: turn.promptTokens,
    sequence: sequenceOf(turn, id, advantage, overlongFilter),
  }));
}

/** Members of a group share the tokens of their first prompt, so that it is computed once for all of them. */
function gatherByPrompt(sequences: readonly PromptedSequence[]): UpdateBatch {
  const byPrompt = new Map<Int32Array, PromptedSequence[]>();
  for (const one of sequences) {
    const together = byPrompt.get(one.promptTokens);
    if (together) together.push(one);
    else byPrompt.set(one.promptTokens, [one]);
  }
  const lists = [...byPrompt.values()];
  return {
    prompts: [...byPrompt.keys()],
    sequences: lists.flatMap((list, prompt) => list.map(({ sequence }) => ({ ...sequence, prompt }))),
  };
}

/**
 * Every generated turn of every rollout as one sequence with its rollout's advantage; the turns of a rollout share a
 * number, so that they are normalised together, and an optimizer step (`steps`, one per rollout).
 */
export function assembleBatch(
  credited: readonly CreditedGroup[],
  overlongFilter: boolean,
  steps?: readonly number[],
): UpdateBatch {
  let id = 0;
  const sequences = credited.flatMap(({ group, advantages }) =>
    group.rollouts.flatMap((rollout, member) => {
      const step = steps?.[id];
      const turns = sequencesOf(rollout, id++, advantages[member] ?? 0, overlongFilter);
      return step === undefined ? turns : turns.map((turn) => ({ ...turn, sequence: { ...turn.sequence, step } }));
    }),
  );
  return gatherByPrompt(sequences);
}

// Mini-batches: the optimizer step of an epoch that each rollout belongs to.

/**
 * The step of every rollout, in the order of groups and members; undefined when one step takes all. Whole groups are
 * dealt out, in equal blocks of them as they come or shuffled; where there are fewer groups than steps, rollouts are.
 */
export function miniBatchSteps(
  sizes: readonly number[],
  {
    miniBatches = 1,
    miniBatchOrder = 'fixed',
  }: Partial<Pick<TrainSettings['objective'], 'miniBatches' | 'miniBatchOrder'>>,
  rng: Rng,
): number[] | undefined {
  if (miniBatches <= 1) return undefined;
  const units = sizes.length >= miniBatches ? sizes : sizes.flatMap((size) => new Array<number>(size).fill(1));
  const order = units.map((_, at) => at);
  if (miniBatchOrder === 'shuffled') shuffle(order, rng);
  const stepOf = new Map(order.map((unit, place) => [unit, Math.floor((place * miniBatches) / units.length)]));
  return units.flatMap((size, unit) => new Array<number>(size).fill(stepOf.get(unit) ?? 0));
}
