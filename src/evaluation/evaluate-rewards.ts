/** Evaluates reward functions on held-out tasks as TRL does: attempts of the current policy, metrics prefixed `eval_`. */

import { together } from '../abort.js';
import { emptyHistory } from '../history.js';
import { assignAdvantages, type BatchAdvantageSettings } from '../method/advantage.js';
import { assembleBatch } from '../method/batch.js';
import { type Group, isTrainable, type RewardPlan, rewardGroups } from '../method/group.js';
import { rolloutStart } from '../method/rollout.js';
import type { Policy, Sampling, UpdateMetrics, UpdateSettings } from '../policy/policy.js';
import { createRng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { groupMetrics, sortMetrics } from './group-metrics.js';

/** The policy, the held-out tasks and the reward functions to evaluate. */
export interface RewardEvaluationOptions {
  readonly policy: Pick<Policy, 'generate' | 'evaluate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  readonly plan: RewardPlan;
  /** Attempts per task; TRL's num_generations_eval. */
  readonly generations: number;
  readonly sampling: Sampling;
  /** Seeds every random stream, together with the tasks' ids. */
  readonly seed: number;
  /** Adds the loss of these attempts, where the policy can compute it. */
  readonly loss?: LossSettings;
  readonly signal?: AbortSignal;
}

/** The settings of the objective that `eval_loss` measures. */
export interface LossSettings {
  readonly advantage: BatchAdvantageSettings;
  readonly overlongFilter: boolean;
  readonly update: UpdateSettings;
}

/** Tasks in flight; a reward function of the whole batch receives the attempts of this many tasks. */
const tasksAtOnce = 64;

async function rolloutTasks(options: RewardEvaluationOptions, tasks: readonly Task[]): Promise<readonly Group[]> {
  const { policy, family, plan, generations: size, sampling, seed, signal } = options;
  const rng = createRng(seed).fork('reward evaluation');
  const rolledOut = await together(signal, (inner) =>
    tasks.map((task) =>
      rolloutStart({
        policy,
        family,
        size,
        sampling,
        rng: rng.fork('task', task.id),
        signal: inner,
        start: { task, history: emptyHistory, intent: 'attempt' },
      }),
    ),
  );
  return rewardGroups(plan, family, rolledOut);
}

/**
 * Computes `eval_loss`, `eval_entropy`, `eval_kl` …: the objective on all attempts as one batch, with advantages as in
 * training but without the diversity bonus. On samples of the same policy every ratio is 1, so without a KL penalty the
 * loss is a weighted sum of the advantages, about 0.
 */
async function measureLoss(
  { policy, loss, plan, signal }: RewardEvaluationOptions,
  groups: readonly Group[],
): Promise<UpdateMetrics> {
  const trained = groups.filter(isTrainable);
  if (loss === undefined || policy.evaluate === undefined || trained.length === 0) return {};
  const credited = assignAdvantages(trained, plan, loss.advantage);
  return policy.evaluate(assembleBatch(credited, loss.overlongFilter), loss.update, signal);
}

/**
 * Computes `eval_reward`, `eval_rewards/{name}/mean`, `eval_completions/…` and the other metrics of a batch. They are means
 * over all attempts of all tasks, except those named as a deviation (`std`), an extreme (`min`, `max`) or a count (`failures`,
 * `timeouts`, `groups_dropped`).
 * @throws NativeError when the engine fails, CancelledError when the signal fires.
 *
 * @example
 * import { codeBreaker, LocalPolicy, namedReward, shippedModel } from 'exit-rl';
 * import { evaluateRewards } from 'exit-rl/evaluation';
 *
 * const family = codeBreaker();
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * const metrics = await evaluateRewards({
 *   policy,
 *   family,
 *   tasks: family.tasks('test').slice(0, 4),
 *   plan: { functions: [namedReward('quality')], trained: 'sum' },
 *   generations: 2,
 *   sampling: { temperature: 1, maxNewTokens: 6 },
 *   seed: 1,
 * });
 * console.log(metrics.eval_reward);
 * await policy.close();
 */
export async function evaluateRewards(options: RewardEvaluationOptions): Promise<Record<string, number>> {
  const groups: Group[] = [];
  for (let first = 0; first < options.tasks.length; first += tasksAtOnce) {
    groups.push(...(await rolloutTasks(options, options.tasks.slice(first, first + tasksAtOnce))));
  }
  const metrics = { ...groupMetrics(groups), ...sortMetrics(await measureLoss(options, groups)) };
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value]));
}
