/** Checks the messages of a config's problems: plain sentences, new names of old keys, and hints that name the right key. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';

/** Returns the problems of a config as lines; empty when it is accepted. */
function linesOf(changes: object): string[] {
  try {
    parseConfig({ task: 'code-breaker', model: 'models/tiny', ...changes });
    return [];
  } catch (error) {
    if (!ConfigError.isInstance(error)) throw error;
    return error.problems.map(
      ({ key, message, hint }) => `${key}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
    );
  }
}

test.each([
  [{ seed: '3' }, "seed: must be a number, not the text '3'"],
  [{ seed: Number.NaN }, 'seed: must be a finite number, not NaN'],
  [{ seed: 1.5 }, 'seed: must be a whole number, not 1.5'],
  [{ seed: 2 ** 53 }, 'seed: 9007199254740992 is not allowed: must be at most 9007199254740991'],
  [{ optimizer: { learningRate: -1 } }, 'optimizer.learningRate: -1 is not allowed: must be above 0'],
  [
    { objective: { loss: { kind: 'clop' } } },
    'objective.loss.kind: "clop" is not allowed: choose one of clip, cispo, cispo-range, sapo, vespo (did you mean `clip`?)',
  ],
])('%j is refused in a plain sentence', (changes, line) => {
  expect(linesOf(changes)).toEqual([line]);
});

test.each([
  [{ lr: 1e-4 }, 'lr: unknown option (did you mean `optimizer.learningRate`?)'],
  [{ optimizer: { lr: 1e-4 } }, 'optimizer.lr: unknown option (did you mean `optimizer.learningRate`?)'],
  [{ sampling: { temp: 1 } }, 'sampling.temp: unknown option (did you mean `sampling.temperature`?)'],
  [{ batchSize: 4 }, 'batchSize: unknown option (did you mean `startsPerBatch`?)'],
  [
    { 'optimizer.learningRate': 1e-4 },
    'optimizer.learningRate: unknown option (nest it: `optimizer: { learningRate: … }`)',
  ],
  [{ x: 1 }, 'x: unknown option'],
])('%j leads to the key that was meant', (changes, line) => {
  expect(linesOf(changes)).toEqual([line]);
});

test.each([{}, 'adaptive', { coefficient: 1 }])('entropyControl: %j names the new key', (entropyControl) => {
  expect(linesOf({ objective: { entropyControl } })).toEqual([
    'objective.entropyControl: is now objective.entropy.control',
  ]);
});

test.each(['none', { kind: 'token' }])('samplingCorrection: %j names the new key', (samplingCorrection) => {
  expect(linesOf({ objective: { samplingCorrection } })).toEqual([
    'objective.samplingCorrection: is now objective.correction',
  ]);
});

test('the bounds of the correction must not cross, its default bound included', () => {
  expect(linesOf({ objective: { correction: { kind: 'token', min: 3, max: 1 } } })).toEqual([
    expect.stringMatching(/^objective\.correction\.min: .*is above max$/),
  ]);
  expect(linesOf({ objective: { correction: { kind: 'sequence', min: 4 } } })).toHaveLength(1);
  expect(linesOf({ objective: { correction: { kind: 'token', min: 1, max: 1 } } })).toEqual([]);
  expect(linesOf({ objective: { correction: { kind: 'token', min: 4, max: null } } })).toEqual([]);
});

test('a clamp of the KL penalty needs a penalty', () => {
  expect(linesOf({ objective: { kl: { clamp: 20 } } })).toEqual([expect.stringMatching(/beta: 0 disables/)]);
  expect(linesOf({ objective: { kl: { clamp: 20, beta: 0.1 } } })).toEqual([]);
});

test('a config module without default export is refused as such', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-module-'));
  try {
    const file = join(folder, 'config.ts');
    writeFileSync(file, 'export const x = 1;');
    await expect(loadConfig({ source: file })).rejects.toThrow(/no default export/);
    const whole = join(folder, 'whole.ts');
    writeFileSync(whole, "export const x = 1;\nexport default () => ({ task: 'code-breaker', model: 'm' });");
    expect((await loadConfig({ source: whole })).model).toBe('m');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
