/** Reward functions on held-out tasks, as TRL evaluates: attempts of the current policy, metrics with the prefix `eval_`. */
import { type Group, playGroup, type RewardPlan, rewardGroups } from '../group.js';
import { emptyHistory } from '../history.js';
import type { Policy, Sampling } from '../policy/policy.js';
import { createRng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { groupMetrics } from './metrics.js';

export interface RewardEvaluationOptions {
  readonly policy: Pick<Policy, 'generate'>;
  readonly family: TaskFamily;
  readonly tasks: readonly Task[];
  readonly plan: RewardPlan;
  /** Attempts per task; TRL's num_generations_eval. */
  readonly generations: number;
  readonly sampling: Sampling;
  /** Decides every random number, together with the tasks' ids. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Tasks in flight at a time; a reward function of the batch sees as many. */
const tasksAtOnce = 64;

async function evaluateSome(options: RewardEvaluationOptions, tasks: readonly Task[]): Promise<readonly Group[]> {
  const { policy, family, plan, generations: size, sampling, seed, signal } = options;
  const rng = createRng(seed).fork('reward evaluation');
  const played = tasks.map((task) =>
    playGroup({
      ...{ policy, family, size, sampling, rng: rng.fork('task', task.id) },
      start: { task, history: emptyHistory, intent: 'attempt' },
      ...(signal && { signal }),
    }),
  );
  // All have ended before the first failure is reported.
  await Promise.allSettled(played);
  return rewardGroups(plan, family, await Promise.all(played));
}

/** `eval_reward`, `eval_rewards/{name}/mean`, `eval_completions/…` and the rest, over all tasks. */
export async function evaluateRewards(options: RewardEvaluationOptions): Promise<Record<string, number>> {
  const groups: Group[] = [];
  for (let first = 0; first < options.tasks.length; first += tasksAtOnce) {
    groups.push(...(await evaluateSome(options, options.tasks.slice(first, first + tasksAtOnce))));
  }
  return Object.fromEntries(Object.entries(groupMetrics(groups)).map(([name, value]) => [`eval_${name}`, value]));
}
