import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchAdvantages, groupAdvantages } from '../../src/method/advantage.js';
import { plainDiversity } from '../../src/method/diversity.js';
import { native } from '../../src/native.js';
import { largestGap, readGolden } from './support.js';

interface Golden {
  readonly advantages: {
    readonly rewards: number[];
    readonly trl: number[];
    readonly sample: number[];
    readonly population: number[];
    readonly mean: number[];
    /** TRL's with scale_rewards "batch", over all these groups. */
    readonly batch: number[];
  }[];
  readonly diversity: { embeddings: number[][]; clamp: number; d: number[] }[];
}

const golden = readGolden<Golden>('advantages.json');

/** Rewards in the fixture have nine digits. */
const tolerance = 1e-6;

describe.each(golden.advantages)('advantages of $rewards', ({ rewards, trl, sample, population, mean }) => {
  test('equal the fixture with population and sample standard deviation, and without', () => {
    expect(
      largestGap(groupAdvantages(rewards, { baseline: 'std', std: 'sample', epsilon: 1e-4 }), sample),
    ).toBeLessThan(tolerance);
    expect(
      largestGap(groupAdvantages(rewards, { baseline: 'std', std: 'population', epsilon: 1e-4 }), population),
    ).toBeLessThan(tolerance);
    expect(largestGap(groupAdvantages(rewards, { baseline: 'mean' }), mean)).toBeLessThan(tolerance);
  });

  test("equal those of TRL's trainer", () => {
    const ours = groupAdvantages(rewards, { baseline: 'std', std: 'sample', epsilon: 1e-4 });
    // TRL rounds rewards to fp32: the 3e-8 this leaves in a mean of (nearly) equal rewards is divided by about 1e-4.
    const nearlyEqual = Math.max(...rewards) - Math.min(...rewards) < 1e-3;
    expect(largestGap(ours, trl)).toBeLessThan(nearlyEqual ? 1e-3 : tolerance);
  });
});

test("advantages equal those of TRL's trainer scaled by the batch", () => {
  const groups = golden.advantages.map(({ rewards }) => rewards);
  const ours = batchAdvantages(groups, { baseline: 'std', stdOver: 'batch', std: 'sample', epsilon: 1e-4 });
  golden.advantages.forEach(({ batch }, at) => {
    expect(largestGap(ours[at] as Float64Array, batch), `group ${at}`).toBeLessThan(tolerance);
  });
});

const flatten = (group: readonly (readonly number[])[]) => Float32Array.from(group.flat());

describe('the diversity factor', () => {
  test.each(golden.diversity.map((item, index) => ({ ...item, index })))(
    'equals the fixture in TypeScript and native for group $index',
    async ({ embeddings, clamp, d }) => {
      expect(largestGap(plainDiversity(embeddings, { clamp }), d)).toBeLessThan(1e-5);
      const dimension = embeddings[0]?.length ?? 0;
      const offsets = Uint32Array.of(0, embeddings.length);
      expect(largestGap(await native().diversity(flatten(embeddings), dimension, offsets, clamp), d)).toBeLessThan(
        1e-5,
      );
    },
  );

  test('is equal in TypeScript and native on 200 random groups', async () => {
    const number = fc.float({ min: -4, max: 4, noNaN: true });
    const group = fc
      .integer({ min: 1, max: 12 })
      .chain((dimension) =>
        fc.array(fc.array(number, { minLength: dimension, maxLength: dimension }), { minLength: 1, maxLength: 16 }),
      );
    await fc.assert(
      fc.asyncProperty(group, async (embeddings) => {
        const dimension = embeddings[0]?.length ?? 0;
        const found = await native().diversity(flatten(embeddings), dimension, Uint32Array.of(0, embeddings.length), 3);
        expect(largestGap(found, plainDiversity(embeddings, { clamp: 3 }))).toBeLessThan(1e-5);
      }),
      { numRuns: 200, seed: 11 },
    );
  });
});
