/** Settings as the engine takes them: flat, with nothing left open. */
import type { NativeUpdateSettings } from '../native.js';
import type { GrpoObjective, UpdateSettings } from './policy.js';

/** What a GRPO objective that does not say otherwise is: the clipped loss of every token, and nothing added. */
const plain = {
  loss: 'clip',
  importanceRatio: 'token',
  sapoTemperaturePositive: 1,
  sapoTemperatureNegative: 1.05,
  vespoPowerPositive: 2,
  vespoDecayPositive: 3,
  vespoPowerNegative: 3,
  vespoDecayNegative: 2,
  klEstimator: 'k3',
  klRatio: false,
  entropyCoefficient: 0,
  topEntropyShare: 1,
  localRollouts: 0,
} as const;

/** What the engine reads only for `grpo`. */
const unread: Omit<GrpoObjective, 'kind'> = {
  clipEpsilonLow: 0,
  clipEpsilonHigh: 0,
  beta: 0,
  normalisation: 'token-mean',
  maxCompletionLength: 1,
  temperature: 1,
  epochs: 1,
  useRolloutLogprobs: false,
};

const defaultLogitsBytes = 256 * 2 ** 20;

export function nativeSettings({ objective, ...rest }: UpdateSettings): NativeUpdateSettings {
  const { kind, samplingCorrection, delta, dualClip, offPolicyThreshold, ...numbers } =
    objective.kind === 'grpo' ? objective : { ...unread, ...objective };
  const { mode = 'none', max = null, min = null } = samplingCorrection ?? {};
  return {
    ...plain,
    ...numbers,
    ...rest,
    objective: kind,
    correction: mode,
    ...(max !== null && { correctionMax: max }),
    ...(min !== null && { correctionMin: min }),
    ...(typeof delta === 'number' && { delta }),
    ...(typeof dualClip === 'number' && { dualClip }),
    ...(typeof offPolicyThreshold === 'number' && { offPolicyThreshold }),
    gradientCheckpointing: rest.gradientCheckpointing ?? false,
    logitsBytes: rest.logitsBytes ?? defaultLogitsBytes,
  };
}
