/// <reference types="node" preserve="true" />
/**
 * exit-rl: trains language models to improve their own answers (Exploratory Iteration, arXiv 2509.04575).
 *
 * This entry exports what a script needs to train, evaluate and use a model. Further entries export the parts:
 * `exit-rl/run`, `/method`, `/policy`, `/evaluation`, `/config`, `/data`, `/rewards`, `/embedders`, `/checkpoints`, `/report`, `/hub`
 * and `/errors`.
 *
 * @example
 * import { shippedModel, trainRun } from 'exit-rl';
 *
 * const config = { task: 'code-breaker', model: shippedModel('tiny'), method: 'exit', updates: 2 } as const;
 * const { path, metrics } = await trainRun(config, { evaluate: false });
 * console.log(path, metrics?.reward);
 */

export { type ConfigInput, defineConfig } from './config/define.js';
export { loadConfig } from './config/load-config.js';
export { parseConfig, type RunConfig } from './config/parse.js';
export { ExitRlError } from './errors.js';
export type { Evaluation } from './evaluation/evaluation.js';
export type { History, Intent } from './history.js';
export type { Message, Prompt } from './message.js';
export type { Curriculum, CurriculumState } from './method/curriculum.js';
export { createExitCurriculum } from './method/exit.js';
export type { Group } from './method/group.js';
export { type MethodName, methodNames } from './method/methods.js';
export type { Rollout, Start } from './method/rollout.js';
export { createUniformCurriculum } from './method/uniform.js';
export type { GenerateOptions } from './policy/generation.js';
export { LocalPolicy } from './policy/local-policy.js';
export type { Completion, Policy, Sampling } from './policy/policy.js';
export { promptFromMessages, promptFromTemplates } from './prompt.js';
export { writeReport } from './report/page.js';
export { type NamedReward, namedReward } from './reward/named.js';
export type { Reward, RewardFunction } from './reward/reward.js';
export type { RewardBatch } from './reward/reward-batch.js';
export { type EvaluatedRun, type EvaluateRunOptions, evaluateRun } from './run/evaluate-run.js';
export type { MetricsRow } from './run/metrics.js';
export { openRun, type Run } from './run/run.js';
export { type TrainOptions, type TrainResult, train } from './run/train.js';
export { type TrainRunOptions, type TrainRunResult, trainRun } from './run/train-run.js';
export { shippedModel } from './shipped-models.js';
export { codeBreaker } from './task/code-breaker/family.js';
export type { Task, TaskFamily, Verdict } from './task/task.js';
