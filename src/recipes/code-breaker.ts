/**
 * The built-in recipe: code breaker with the shipped base model, small enough to see ExIt work on a CPU within minutes. The
 * numbers are chosen for this task and are not a row of the paper's table.
 */
import type { RunConfigInput } from '../config/parse.js';
import { shippedModel } from '../shipped-models.js';

export const codeBreaker = (): RunConfigInput => ({
  task: 'code-breaker',
  model: shippedModel('tiny'),
  updates: 1200,
  startsPerBatch: 16,
  groupSize: 8,
  // Five words and the end of sequence.
  sampling: { temperature: 1, maxNewTokens: 6 },
  objective: { loss: { kind: 'clip', low: 0.2 }, kl: { beta: 0 }, normalisation: 'sequence-mean', batchEpochs: 1 },
  optimizer: { learningRate: 3e-4, adamBeta1: 0.9, adamBeta2: 0.95, weightDecay: 0, maxGradNorm: 1, warmupUpdates: 10 },
  reward: 'quality',
  advantage: { baseline: 'std', std: 'population', epsilon: 1e-4 },
  // With 256 buckets none of the 30 words collide: the vector is a one-hot colour per slot, and d does not depend on its scale.
  diversity: { clamp: 3, ngram: { dimension: 256, unit: 'word', minimumLength: 1, maximumLength: 1 } },
  buffer: { capacity: 256, minimumFill: 64 },
  replayProbability: 0.5,
  divergeProbability: 0.2,
  // Training on overlong answers, with quality 0, teaches the policy to end its answers.
  overlongFilter: false,
  // A model of width 64 gains nothing from a second thread; two concurrent runs gain from one core each.
  threads: 1,
  dtype: 'float32',
  checkpoint: { every: 400 },
  evaluation: { iterations: 16, draws: 4, split: 'test' },
});
