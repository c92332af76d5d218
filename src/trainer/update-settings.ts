/** The settings of one update, as the policy takes them. */
import type { EntropyState, OptimizerSettings, UpdateMetrics, UpdateSettings } from '../policy/policy.js';
import { learningRateAt } from './schedule.js';
import type { TrainSettings } from './settings.js';

/** AdamW's part of settings that hold a schedule, too. */
export function optimizerSettings(optimizer: OptimizerSettings): OptimizerSettings {
  const { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm } = optimizer;
  return { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm };
}

/** The state that the next update goes on from. */
export function entropyState(metrics: UpdateMetrics): { entropy?: EntropyState } {
  const coefficient = metrics['entropy_control/coefficient'];
  const measured = metrics['entropy_control/entropy'];
  return coefficient === undefined || measured === undefined ? {} : { entropy: { coefficient, measured } };
}

/** Settings of update `update`, counted from 1. */
export function updateSettings(config: TrainSettings, update: number, entropy?: EntropyState): UpdateSettings {
  const { optimizer, objective, sampling, updates, microbatchTokens, gradientCheckpointing, logitsBytes } = config;
  const { miniBatches: _miniBatches, miniBatchOrder: _order, ...formula } = objective;
  return {
    ...optimizerSettings({ ...optimizer, learningRate: learningRateAt(update, updates, optimizer) }),
    ...{ microbatchTokens, gradientCheckpointing, logitsBytes },
    objective: formula,
    // A greedy rollout has log-probabilities at temperature 1.
    temperature: sampling.temperature === 0 ? 1 : sampling.temperature,
    ...(entropy && { entropyState: entropy }),
  };
}
