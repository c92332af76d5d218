/** What is minimised: docs/objectives.md has the formulas. */
import { z } from 'zod';
import { count, countOrZero, notNegative, positive, share } from './values.js';

const samplingCorrection = z.strictObject({
  mode: z.enum(['none', 'token-truncate', 'token-mask', 'sequence-truncate', 'sequence-mask']).default('none'),
  max: positive.nullable().default(3),
  min: positive.nullable().default(null),
});

const entropyControl = z.strictObject({
  /** Moves `entropyCoefficient` from step to step. */
  adaptive: z.boolean().default(false),
  target: z.number().default(0.2),
  change: notNegative.default(0.005),
  min: z.number().default(0),
  max: z.number().default(1),
});

export const objective = z.strictObject({
  loss: z.enum(['clip', 'cispo', 'cispo-range', 'sapo', 'vespo']).default('clip'),
  importanceRatio: z.enum(['token', 'sequence']).default('token'),
  clipEpsilonLow: share.default(0.2),
  /** By default as `clipEpsilonLow`; for `cispo` the bound of the ratio itself. */
  clipEpsilonHigh: positive.optional(),
  delta: positive.nullable().default(null),
  dualClip: z.number().gt(1).nullable().default(null),
  sapoTemperaturePositive: positive.default(1),
  sapoTemperatureNegative: positive.default(1.05),
  vespoPowerPositive: notNegative.default(2),
  vespoDecayPositive: notNegative.default(3),
  vespoPowerNegative: notNegative.default(3),
  vespoDecayNegative: notNegative.default(2),
  beta: notNegative.default(0),
  klEstimator: z.enum(['k1', 'k2', 'k3']).default('k3'),
  klRatio: z.boolean().default(false),
  entropyCoefficient: z.number().default(0),
  entropyControl: entropyControl.prefault({}),
  topEntropyShare: share.default(1),
  offPolicyThreshold: positive.nullable().default(null),
  samplingCorrection: samplingCorrection.prefault({}),
  normalisation: z
    .enum(['sequence-mean', 'sequence-sum', 'token-mean', 'local-token-mean', 'constant'])
    .default('sequence-mean'),
  /** Rollouts of a block of `local-token-mean`, of the entropy bonus and of `topEntropyShare`; 0 takes all of an optimizer step. */
  localRollouts: countOrZero.default(0),
  epochs: count.default(1),
  /** Optimizer steps that each epoch cuts the batch into. */
  miniBatches: count.default(1),
  miniBatchOrder: z.enum(['fixed', 'shuffled']).default('fixed'),
  /** By default as `sampling.maxNewTokens`. */
  maxCompletionLength: count.optional(),
  useRolloutLogprobs: z.boolean().default(false),
});
