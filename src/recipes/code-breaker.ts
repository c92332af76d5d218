/**
 * The embedded default: code breaker with the shipped base model, small enough to see ExIt work on a CPU within
 * minutes. The numbers are this task's own and no row of the paper's table.
 */
import type { RunConfigInput } from '../config.js';
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
  // Single words in a width where no two of the 30 collide: a one-hot colour per slot, up to a scale that d does not see.
  diversity: { clamp: 3, ngram: { dimension: 256, unit: 'word', minimumLength: 1, maximumLength: 1 } },
  buffer: { capacity: 256, minimumFill: 64, inverseTemperature: 80 },
  replayProbability: 0.5,
  divergeProbability: 0.2,
  // A malformed answer is trained on with quality 0, or the policy would never learn to end its answers.
  overlongFilter: false,
  // A model of width 64 gains nothing from a second thread; two runs side by side do.
  threads: 1,
  dtype: 'float32',
  checkpoint: { every: 400 },
  evaluation: { iterations: 16, draws: 4, split: 'test' },
});
