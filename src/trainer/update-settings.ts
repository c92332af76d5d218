/** What the engine is told about one update. */
import type { UpdateSettings } from '../policy/policy.js';
import { learningRateAt } from './schedule.js';
import type { TrainSettings } from './settings.js';

/** Settings of update `update`, counted from 1. */
export function updateSettings(config: TrainSettings, update: number): UpdateSettings {
  const { optimizer, objective, sampling, updates, microbatchTokens, gradientCheckpointing, logitsBytes } = config;
  const { adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm } = optimizer;
  const { miniBatches: _, miniBatchOrder: __, ...formula } = objective;
  // A greedy rollout has log-probabilities at temperature 1.
  const temperature = sampling.temperature === 0 ? 1 : sampling.temperature;
  return {
    learningRate: learningRateAt(update, updates, optimizer),
    adamBeta1,
    adamBeta2,
    adamEpsilon,
    weightDecay,
    maxGradNorm,
    microbatchTokens,
    ...(gradientCheckpointing !== undefined && { gradientCheckpointing }),
    ...(logitsBytes !== undefined && { logitsBytes }),
    objective: { kind: 'grpo', ...formula, temperature },
  };
}
