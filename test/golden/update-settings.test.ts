/** Settings that the engine refuses: the key is named, and nothing is changed. */
import { expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import { defaultUpdate } from '../../src/policy/settings.js';
import { openPolicy, toBatch } from './support.js';

const batch = toBatch({ prompts: [[4]], sequences: [{ prompt: 0, tokens: [5, 6], rollout: 0, advantage: 1 }] });
const { objective } = defaultUpdate;

test.each([
  ['objective.loss.dual', { objective: { ...objective, loss: { ...objective.loss, dual: 1 } } }, /only above 1/],
  ['objective.batchEpochs', { objective: { ...objective, batchEpochs: 0 } }, /at least once/],
  ['objective.batchEpochs', { objective: { ...objective, batchEpochs: 1.5 } }, /expected usize/],
  ['objective.localRollouts', { objective: { ...objective, localRollouts: -1 } }, /expected usize/],
  ['objective.kl', { objective: { ...objective, kl: { ...objective.kl, betta: 1 } } }, /unknown field `betta`/],
  ['objective.loss', { objective: { ...objective, loss: { kind: 'sappo' } } }, /unknown variant `sappo`.*`sapo`/],
  ['objective.normalisation', { objective: { ...objective, normalisation: { kind: 'constant' } } }, /`length`/],
  ['microbatchTokens', { microbatchTokens: 2 ** 70 }, /whole number above 0/],
  ['learningRate', { learningRate: Number.NaN }, /not a finite number/],
  ['objective.kl.beta', { objective: { ...objective, kl: { ...objective.kl, beta: Infinity } } }, /not a finite/],
  ['learningrate', { learningrate: 1 }, /did you mean `learningRate`/],
])('%s: %j', async (key, changes, message) => {
  const policy = await openPolicy('llama-tied');
  const settings = { ...defaultUpdate, ...changes } as typeof defaultUpdate;
  const error = await policy.update(batch, settings).catch((reason: unknown) => reason);
  expect(InvalidRequestError.isInstance(error) && error).toMatchObject({ message: expect.stringMatching(message) });
  expect((error as InvalidRequestError).message).toContain(`\`${key}`);
  expect(policy.version).toBe(0);
});
