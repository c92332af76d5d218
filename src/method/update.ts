/** One update of ExIt: Algorithm 1 (arXiv 2509.04575) from its starts to the new weights and the new curriculum. */
import type { Embedder } from '../embedder/embedder.js';
import { NonFiniteError } from '../errors.js';
import type { EntropyState, Policy, UpdateMetrics } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import { assignAdvantages, type CreditedGroup, skipWithoutSignal } from './advantage.js';
import { assembleBatch, miniBatchSteps } from './batch.js';
import { collectGroups, trainedGroups } from './collect.js';
import type { Curriculum } from './curriculum.js';
import type { Group, RewardPlan } from './group.js';
import type { TrainSettings } from './settings.js';
import { updateSettings } from './update-settings.js';

/** The parts that one update works with. */
export interface Method {
  readonly config: TrainSettings;
  readonly policy: Policy;
  readonly family: TaskFamily;
  readonly curriculum: Curriculum;
  readonly plan: RewardPlan;
  readonly embedder: Embedder;
  /** The stream of the run; update n uses its fork `update`, n. */
  readonly rng: Rng;
  /** Receives the groups of an update before they are trained on. */
  readonly onGroups?: (groups: readonly Group[], update: number) => void;
  /** Cancels the update; policy and curriculum then stay as they were. */
  readonly signal?: AbortSignal;
}

export interface Updated {
  /** All groups of the update, in the order of their starts. */
  readonly groups: readonly Group[];
  /** The groups that could be trained on, with their advantages. */
  readonly credited: readonly CreditedGroup[];
  /** Metrics of the policy's update; undefined when there was nothing to train on, or when it was refused. */
  readonly metrics: UpdateMetrics | undefined;
  /** A number that was not finite: the engine refused the update and left the weights as they were. */
  readonly refused?: NonFiniteError;
}

/**
 * Update `number`, counted from 1. `entropy` is the state of an adaptive entropy bonus after the update before.
 * @throws CancelledError when the signal fires, NativeError when the engine fails.
 */
export async function update(method: Method, number: number, entropy?: EntropyState): Promise<Updated> {
  const { config, curriculum } = method;
  const rng = method.rng.fork('update', number);
  const groups = await collectGroups(method, rng);
  method.onGroups?.(groups, number);
  const credited = await assignAdvantages(method, trainedGroups(groups, config));
  const trained = config.dynamicSampling === 'skip' ? skipWithoutSignal(credited, config) : credited;
  const updated = await updatePolicy(method, trained, number, rng, entropy);
  await blendReference(method, number);
  curriculum.observe(groups, rng);
  return { groups, credited, ...updated };
}

async function updatePolicy(
  { config, policy, signal }: Method,
  credited: readonly CreditedGroup[],
  number: number,
  rng: Rng,
  entropy: EntropyState | undefined,
): Promise<Pick<Updated, 'metrics' | 'refused'>> {
  if (credited.length === 0) return { metrics: undefined };
  const sizes = credited.map(({ group }) => group.rollouts.length);
  const steps = miniBatchSteps(sizes, config.objective, rng.fork('mini-batches'));
  const batch = assembleBatch(credited, config.overlongFilter, steps);
  try {
    return { metrics: await policy.update(batch, updateSettings(config, number, entropy), signal) };
  } catch (error) {
    if (!NonFiniteError.isInstance(error)) throw error;
    return { metrics: undefined, refused: error };
  }
}

/** θ_ref ← (1 − α) θ_ref + α θ every M updates, also after an update that had nothing to train on. */
async function blendReference({ config, policy }: Method, number: number): Promise<void> {
  const { blendEvery, alpha } = config.reference;
  if (config.objective.kl.beta > 0 && blendEvery > 0 && number % blendEvery === 0) await policy.blendReference(alpha);
}
