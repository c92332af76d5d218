/** One update of ExIt: Algorithm 1 (arXiv 2509.04575), from drawing the starts to updating policy and curriculum. */
import type { Embedder } from '../embedder/embedder.js';
import { NonFiniteError } from '../errors.js';
import type { EntropyState, Policy, UpdateMetrics } from '../policy/policy.js';
import type { Rng } from '../rng.js';
import type { TaskFamily } from '../task/task.js';
import { applyDiversityBonus, assignAdvantages, type CreditedGroup, skipWithoutSignal } from './advantage.js';
import { assembleBatch, miniBatchSteps } from './batch.js';
import { missingStarts, requireStarts, rolloutGroups, trainableGroups } from './collect.js';
import type { Curriculum } from './curriculum.js';
import type { Group, RewardPlan } from './group.js';
import type { MethodSettings } from './train-settings.js';
import { updateSettings } from './update-settings.js';

/** The parts that one update works with. */
export interface Method {
  readonly config: MethodSettings;
  readonly policy: Policy;
  readonly family: TaskFamily;
  readonly curriculum: Curriculum;
  readonly plan: RewardPlan;
  readonly embedder: Embedder;
  /** Random stream of the run; update n draws from `rng.fork('update', n)`. */
  readonly rng: Rng;
  /** Receives the groups of an update before the policy trains on them. */
  readonly onGroups?: (groups: readonly Group[], update: number) => void;
  /** Cancels the update, which leaves policy and curriculum unchanged. */
  readonly signal?: AbortSignal;
}

/** The result of one update. */
export interface Updated {
  /** All groups of the update, in the order of their starts. */
  readonly groups: readonly Group[];
  /** The trainable groups with their advantages. */
  readonly credited: readonly CreditedGroup[];
  /** Metrics of the policy's update; undefined when no group was trainable, or when the engine refused the update. */
  readonly metrics: UpdateMetrics | undefined;
  /** The engine's refusal of an update with a number that is not finite; the weights are unchanged. */
  readonly refused?: NonFiniteError;
}

/**
 * Makes update `number`, counted from 1. `entropy` is the state of an adaptive entropy bonus after the previous update.
 * @throws CancelledError when the signal fires, NativeError when the engine fails, InvalidRequestError when the curriculum
 * returns a batch of another size.
 */
export async function update(method: Method, number: number, entropy?: EntropyState): Promise<Updated> {
  const { config, curriculum, plan } = method;
  const rng = method.rng.fork('update', number);
  const groups: Group[] = [];
  for (let count = missingStarts(groups, config); count > 0; count = missingStarts(groups, config)) {
    const drawn = groups.map(({ start }) => start);
    const starts = requireStarts(curriculum.nextBatch(count, rng, drawn), count);
    groups.push(...(await rolloutGroups(method, starts, drawn.length, rng)));
  }
  method.onGroups?.(groups, number);
  const compared = assignAdvantages(trainableGroups(groups, config), plan, config.advantage);
  const credited = await applyDiversityBonus(method, compared);
  const updated = await updatePolicy(method, credited, number, rng, entropy);
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
  const trained = config.dynamicSampling === 'skip' ? skipWithoutSignal(credited, config) : credited;
  const sizes = trained.map(({ group }) => group.rollouts.length);
  const steps = miniBatchSteps(sizes, config.objective, rng.fork('mini-batches'));
  const batch = assembleBatch(trained, config.overlongFilter, steps);
  try {
    return { metrics: await policy.update(batch, updateSettings(config, number, entropy), signal) };
  } catch (error) {
    if (!NonFiniteError.isInstance(error)) throw error;
    return { metrics: undefined, refused: error };
  }
}

/** θ_ref ← (1 − α) θ_ref + α θ every M updates, also after an update without a trainable group. */
async function blendReference({ config, policy }: Method, number: number): Promise<void> {
  const { blendEvery, alpha } = config.reference;
  if (config.objective.kl.beta > 0 && blendEvery > 0 && number % blendEvery === 0) await policy.blendReference(alpha);
}
