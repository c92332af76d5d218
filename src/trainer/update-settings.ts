/** What the engine is told about one update. */
import type { EntropyControl, UpdateMetrics, UpdateSettings } from '../policy/policy.js';
import { learningRateAt } from './schedule.js';
import type { TrainObjective, TrainSettings } from './settings.js';
import type { EntropyState } from './state.js';

/** What the adaptive weight of the entropy bonus goes on from; nothing where it is constant. */
function controlled(
  { entropyControl }: TrainObjective,
  state: EntropyState | undefined,
): { entropyControl?: EntropyControl; entropyCoefficient?: number } {
  if (!entropyControl?.adaptive) return {};
  const { target, change, min, max } = entropyControl;
  const control = { target, change, min, max };
  if (state === undefined) return { entropyControl: control };
  return { entropyControl: { ...control, measured: state.measured }, entropyCoefficient: state.coefficient };
}

/** What the next update goes on from. */
export function entropyState(metrics: UpdateMetrics): { entropy?: EntropyState } {
  const coefficient = metrics['entropy_control/coefficient'];
  const measured = metrics['entropy_control/entropy'];
  return coefficient === undefined || measured === undefined ? {} : { entropy: { coefficient, measured } };
}

/** Settings of update `update`, counted from 1. */
export function updateSettings(config: TrainSettings, update: number, entropy?: EntropyState): UpdateSettings {
  const { optimizer, objective, sampling, updates, microbatchTokens, gradientCheckpointing, logitsBytes } = config;
  const { adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm } = optimizer;
  const { miniBatches: _, miniBatchOrder: __, entropyControl: ___, ...formula } = objective;
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
    objective: { kind: 'grpo', ...formula, ...controlled(objective, entropy), temperature },
  };
}
