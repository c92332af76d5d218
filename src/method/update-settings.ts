/** Computes the settings of one update from the config of the run. */
import type { EntropyState, OptimizerSettings, UpdateMetrics, UpdateSettings } from '../policy/policy.js';
import type { MethodSettings, ScheduledOptimizer } from './train-settings.js';

/** Selects AdamW's settings from those that also hold a schedule. */
export function optimizerSettings(optimizer: OptimizerSettings): OptimizerSettings {
  const { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm } = optimizer;
  return { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm };
}

/** Reads the state of an adaptive entropy bonus for the next update; empty for a constant weight. */
export function entropyState(metrics: UpdateMetrics): { entropy?: EntropyState } {
  const coefficient = metrics['entropy_control/coefficient'];
  const measured = metrics['entropy_control/entropy'];
  return coefficient === undefined || measured === undefined ? {} : { entropy: { coefficient, measured } };
}

/** Computes the settings of update `update`, counted from 1. */
export function updateSettings(config: MethodSettings, update: number, entropy?: EntropyState): UpdateSettings {
  const { optimizer, objective, sampling, updates, microbatchTokens, gradientCheckpointing, logitsBytes } = config;
  const { miniBatches: _miniBatches, miniBatchOrder: _order, ...formula } = objective;
  return {
    ...optimizerSettings({ ...optimizer, learningRate: learningRateAt(update, updates, optimizer) }),
    microbatchTokens,
    gradientCheckpointing,
    logitsBytes,
    objective: formula,
    // A greedy rollout has log-probabilities at temperature 1.
    temperature: sampling.temperature === 0 ? 1 : sampling.temperature,
    ...(entropy && { entropyState: entropy }),
  };
}

// Learning-rate schedules.

/** Share of the way from the end of warm-up to the last update, in [0, 1]. */
function progress(count: number, warmup: number, updates: number): number {
  return Math.min(1, Math.max(0, (count - warmup) / Math.max(1, updates - warmup)));
}

function decayed({ schedule, finalShare }: ScheduledOptimizer, share: number): number {
  switch (schedule) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 - (1 - finalShare) * share;
    case 'cosine':
      return finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * share));
    default:
      return schedule satisfies never;
  }
}

/** W: `warmupUpdates`, or else the share `warmupRatio` of all updates, rounded up as transformers does. */
function warmupOf({ warmupUpdates, warmupRatio = 0 }: ScheduledOptimizer, updates: number): number {
  return warmupUpdates > 0 ? warmupUpdates : Math.ceil(updates * warmupRatio);
}

/**
 * Computes the learning rate of update `update` (from 1) of T = `updates`: η·s/W while s ≤ W (linear warm-up over W
 * updates), then η times the schedule, which reaches `finalShare` at s = T. s is the update, or with `countFrom: 'zero'`
 * (transformers' schedulers) one less.
 */
export function learningRateAt(update: number, updates: number, optimizer: ScheduledOptimizer): number {
  const { learningRate, countFrom = 'one' } = optimizer;
  const count = countFrom === 'zero' ? update - 1 : update;
  const warmup = warmupOf(optimizer, updates);
  if (warmup > 0 && count <= warmup) return learningRate * (count / warmup);
  return learningRate * decayed(optimizer, progress(count, warmup, updates));
}
