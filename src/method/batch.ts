/** Turns groups and their advantages into the flat batch that the policy is updated with. */

import type { TrainingSequence, UpdateBatch } from '../policy/policy.js';
import { type Rng, shuffle } from '../rng.js';
import type { CreditedGroup } from './advantage.js';
import { isOverlong, type Rollout, type RolloutTurn } from './rollout.js';
import type { TrainSettings } from './train-settings.js';

interface PromptedSequence {
  readonly promptTokens: Int32Array;
  readonly sequence: Omit<TrainingSequence, 'prompt'>;
}

/** Converts a turn; one that the overlong filter masks gets a mask of zeros. */
function toSequence(
  { completion }: RolloutTurn,
  rollout: number,
  advantage: number,
  isMasked: boolean,
): Omit<TrainingSequence, 'prompt'> {
  const { tokens, logprobs } = completion;
  const sequence = { tokens, rollout, advantage, behaviourLogprobs: logprobs };
  return isMasked ? { ...sequence, mask: new Uint8Array(tokens.length) } : sequence;
}

function toSequences(rollout: Rollout, id: number, advantage: number, overlongFilter: boolean): PromptedSequence[] {
  return rollout.turns.map((turn, at) => ({
    promptTokens: turn.promptTokens,
    sequence: toSequence(turn, id, advantage, overlongFilter && isOverlong(rollout, at)),
  }));
}

/** Gathers the sequences of equal prompts: members of a group share their first prompt, which is computed once for all. */
function gatherByPrompt(sequences: readonly PromptedSequence[]): UpdateBatch {
  const byPrompt = new Map<Int32Array, PromptedSequence[]>();
  for (const one of sequences) {
    const list = byPrompt.get(one.promptTokens);
    if (list) list.push(one);
    else byPrompt.set(one.promptTokens, [one]);
  }
  const lists = [...byPrompt.values()];
  return {
    prompts: [...byPrompt.keys()],
    sequences: lists.flatMap((list, prompt) => list.map(({ sequence }) => ({ ...sequence, prompt }))),
  };
}

/**
 * Makes every generated turn of every rollout a sequence with its rollout's advantage. The turns of a rollout share a
 * number, so that the loss normalises them together, and an optimizer step (`steps`, one per rollout).
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
      const turns = toSequences(rollout, id++, advantages[member] ?? 0, overlongFilter);
      return step === undefined ? turns : turns.map((turn) => ({ ...turn, sequence: { ...turn.sequence, step } }));
    }),
  );
  return gatherByPrompt(sequences);
}

// Mini-batches: assigns every rollout to an optimizer step of the epoch.

/**
 * Returns the step of every rollout, in the order of groups and members; undefined when one step takes all. The steps take
 * equal blocks of whole groups, in their order or shuffled; with fewer groups than steps they take blocks of rollouts.
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
  const stepByUnit = new Map(order.map((unit, place) => [unit, Math.floor((place * miniBatches) / units.length)]));
  return units.flatMap((size, unit) => new Array<number>(size).fill(stepByUnit.get(unit) ?? 0));
}
