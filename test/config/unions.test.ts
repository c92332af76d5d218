/** Sections whose keys depend on their `kind`. */

import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { parseConfig, parseLayers } from '../../src/config/parse.js';
import { ConfigError, type ConfigProblem } from '../../src/errors.js';

const base = { task: 'reds', model: 'm' };
const objectiveOf = (objective: Record<string, unknown>) => parseConfig({ ...base, objective }).objective;

function problemsOf(objective: Record<string, unknown>): readonly ConfigProblem[] {
  try {
    objectiveOf(objective);
  } catch (error) {
    if (ConfigError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

test('the name of a kind selects the kind with its defaults', () => {
  expect(objectiveOf({ loss: 'sapo', normalisation: 'token-mean' })).toMatchObject({
    loss: { kind: 'sapo', temperaturePositive: 1, temperatureNegative: 1.05 },
    normalisation: { kind: 'token-mean' },
  });
});

test('a section without a kind gets the default one', () => {
  expect(objectiveOf({ loss: { high: 0.28 } }).loss).toMatchObject({ kind: 'clip', low: 0.2, high: 0.28 });
});

describe('layers', () => {
  const lossOf = (...layers: Record<string, unknown>[]) =>
    parseLayers([base, ...layers.map((loss) => ({ objective: { loss } }))]).objective.loss;

  test('of one kind merge key by key', () => {
    expect(lossOf({ kind: 'clip', low: 0.1 }, { high: 0.3 })).toMatchObject({ kind: 'clip', low: 0.1, high: 0.3 });
  });

  test('of another kind replace the lower one', () => {
    expect(lossOf({ kind: 'clip', low: 0.1 }, { kind: 'cispo', high: 5 })).toEqual({ kind: 'cispo', high: 5 });
  });
});

describe('problems', () => {
  test('a key of another kind is refused with the kinds that have it', () => {
    expect(problemsOf({ loss: { kind: 'sapo', low: 0.1 } })).toEqual([
      { key: 'objective.loss.low', message: 'belongs to the kind `clip` or `cispo-range`, not to `sapo`' },
    ]);
    expect(problemsOf({ normalisation: { kind: 'token-mean', length: 5 } }).map(({ key }) => key)).toEqual([
      'objective.normalisation.length',
    ]);
  });

  test('an unknown kind and a mistyped key suggest the nearest ones, all together', () => {
    const found = problemsOf({
      loss: { kind: 'sappo' },
      correction: { kind: 'token', beyont: 'mask' },
      kl: { betta: 1 },
    });
    expect(found.map(({ key, hint }) => [key, hint])).toEqual([
      ['objective.loss.kind', 'did you mean `sapo`?'],
      ['objective.kl.betta', 'did you mean `objective.kl.beta`?'],
      ['objective.correction.beyont', 'did you mean `objective.correction.beyond`?'],
    ]);
  });

  test('the bound of cispo is required, and the problem explains it', () => {
    expect(problemsOf({ loss: 'cispo' })).toEqual([
      { key: 'objective.loss.high', message: 'is required: the bound of the ratio (5 in ScaleRL)' },
    ]);
  });

  test.each([
    [{ loss: { dual: 1 } }, 'objective.loss.dual'],
    [{ batchEpochs: 0 }, 'objective.batchEpochs'],
    [{ batchEpochs: 1.5 }, 'objective.batchEpochs'],
    [{ loss: [] }, 'objective.loss'],
    [{ entropy: { control: { kind: 'adaptive', min: 2 } } }, 'objective.entropy.control.min'],
  ])('%j is refused', (objective, key) => {
    expect(problemsOf(objective).map((problem) => problem.key)).toEqual([key]);
  });
});

describe('keys of earlier versions', () => {
  test.each([
    ['clipEpsilonLow', 0.2, 'objective.loss.low'],
    ['clipEpsilonHigh', 0.3, 'objective.loss.high'],
    ['dualClip', 3, 'objective.loss.dual'],
    ['sapoTemperaturePositive', 1, 'objective.loss.temperaturePositive'],
    ['vespoPowerNegative', 1, 'objective.loss.powerNegative'],
    ['beta', 0, 'objective.kl.beta'],
    ['klEstimator', 'k1', 'objective.kl.estimator'],
    ['entropyCoefficient', 0.1, 'objective.entropy.coefficient'],
    ['topEntropyShare', 0.2, 'objective.entropy.topShare'],
    ['maxCompletionLength', 9, 'objective.normalisation.length'],
    ['epochs', 2, 'objective.batchEpochs'],
  ])('objective.%s is refused with its new name', (key, value, path) => {
    expect(problemsOf({ [key]: value })).toEqual([{ key: `objective.${key}`, message: `is now ${path}` }]);
  });

  test('where the value changed as well, the problem shows the new value', () => {
    expect(problemsOf({ useRolloutLogprobs: true, samplingCorrection: { mode: 'token-mask' } })).toEqual([
      {
        key: 'objective.samplingCorrection.mode',
        message: 'is now objective.correction.kind',
        hint: 'token or sequence, with objective.correction.beyond: truncate or mask',
      },
      {
        key: 'objective.useRolloutLogprobs',
        message: 'is now objective.oldPolicy',
        hint: '`behaviour` for true, `trainer` for false',
      },
    ]);
    expect(() => parseConfig({ ...base, epochs: 2 } as ConfigInput)).toThrow('epochs: is now passes');
  });
});
