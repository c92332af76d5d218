/** Reward functions on held-out tasks, as TRL evaluates: attempts of the current policy, metrics with the prefix `eval_`. */

import { together } from '../abort.js';
import { emptyHistory } from '../history.js';
import { type BatchAdvantageSettings, creditGroups } from '../method/advantage.js';
import { assembleBatch } from '../method/batch.js';
import { type Group, isTrainable, type RewardPlan, rewardGroups } from '../method/group.js';
import { rolloutStart } from '../method/rollout.js';
import type { Policy, Sampling, UpdateMetrics, UpdateSettings } from '../policy/policy.js';
import { createRng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { groupMetrics, sorted } from './group-metrics.js';

export interface RewardEvaluationOptions {
  readonly policy: Pick<Policy, 'generate' | 'evaluate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  readonly plan: RewardPlan;
  /** Attempts per task; TRL's num_generations_eval. */
  readonly generations: number;
  readonly sampling: Sampling;
  /** Decides every random number, together with the tasks' ids. */
  readonly seed: number;
  /** Adds the loss of these attempts, where the policy can tell it. */
  readonly loss?: LossSettings;
  readonly signal?: AbortSignal;
}

export interface LossSettings {
  readonly advantage: BatchAdvantageSettings;
  readonly overlongFilter: boolean;
  readonly update: UpdateSettings;
}

/** Tasks in flight at a time; a reward function of the batch sees as many. */
const tasksAtOnce = 64;

async function evaluateSome(options: RewardEvaluationOptions, tasks: readonly Task[]): Promise<readonly Group[]> {
  const { policy, family, plan, generations: size, sampling, seed, signal } = options;
  const rng = createRng(seed).fork('reward evaluation');
  const played = await together(signal, (inner) =>
    tasks.map((task) =>
      rolloutStart({
        ...{ policy, family, size, sampling, rng: rng.fork('task', task.id), signal: inner },
        start: { task, history: emptyHistory, intent: 'attempt' },
      }),
    ),
  );
  return rewardGroups(plan, family, played);
}

/**
 * `eval_loss`, `eval_entropy`, `eval_kl` …: the objective on all attempts as one batch, with advantages as in training but
 * no diversity bonus. On the policy's own samples every ratio is 1: without a KL penalty the loss is that of the
 * advantages' weights alone, about 0.
 */
async function lossOf(
  { policy, loss, plan, signal }: RewardEvaluationOptions,
  groups: readonly Group[],
): Promise<UpdateMetrics> {
  const trained = groups.filter(isTrainable);
  if (loss === undefined || policy.evaluate === undefined || trained.length === 0) return {};
  const credited = creditGroups(trained, plan, loss.advantage);
  return policy.evaluate(assembleBatch(credited, loss.overlongFilter), loss.update, signal);
}

/** `eval_reward`, `eval_rewards/{name}/mean`, `eval_completions/…` and the rest, over all tasks. */
export async function evaluateRewards(options: RewardEvaluationOptions): Promise<Record<string, number>> {
  const groups: Group[] = [];
  for (let first = 0; first < options.tasks.length; first += tasksAtOnce) {
    groups.push(...(await evaluateSome(options, options.tasks.slice(first, first + tasksAtOnce))));
  }
  const metrics = { ...groupMetrics(groups), ...sorted(await lossOf(options, groups)) };
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value]));
}
