import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Buffer, type BufferSettings } from '../../src/method/buffer.js';
import { logWeights } from '../../src/method/priority.js';
import { createRng } from '../../src/rng.js';

interface Entry {
  readonly taskId: string;
}

const bufferOf = (capacity: number, inverseTemperature: number, settings: Partial<BufferSettings> = {}) =>
  new Buffer<Entry>({ capacity, priority: { kind: 'rank', inverseTemperature }, ...settings });
const put = (buffer: Buffer<Entry>, key: string, value: number, taskId = key) =>
  buffer.insert(key, { taskId }, { value, scoredAt: 0, measured: true });

// Hundredths: ties are common, and no sum of them is a tie by rounding.
const scores = fc.array(
  fc.nat({ max: 25 }).map((hundredths) => hundredths / 100),
  { minLength: 1, maxLength: 40 },
);
const temperatures = fc.constantFrom(0, 0.5, 2, 4, 16, 1000);

/** The weights by definition: the mean of softmax(κ·R) over all orders of the ties. */
function plainWeights(values: readonly number[], inverseTemperature: number): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const weights = values.map((value) => {
    const places = sorted.flatMap((other, place) => (other === value ? [place] : []));
    const each = places.map((place) =>
      Math.exp((inverseTemperature * (place + 0.5)) / values.length - inverseTemperature),
    );
    return each.reduce((sum, weight) => sum + weight, 0) / places.length;
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

const fill = (buffer: Buffer<Entry>, values: readonly number[]): Buffer<Entry> => {
  values.forEach((value, at) => {
    put(buffer, String(at), value);
  });
  return buffer;
};

describe('priority by rank', () => {
  test('equals the softmax of the ranks, with ties averaged', () => {
    fc.assert(
      fc.property(scores, fc.constantFrom(0, 0.5, 2, 4, 16), (values, inverseTemperature) => {
        const logs = [...logWeights(values, { kind: 'rank', inverseTemperature })];
        const total = logs.reduce((sum, log) => sum + Math.exp(log), 0);
        const expected = plainWeights(values, inverseTemperature);
        logs.forEach((log, at) => {
          expect(Math.exp(log) / total).toBeCloseTo(expected[at] as number, 9);
        });
      }),
    );
  });

  test('draws the same entries at any scale and offset of the scores', () => {
    fc.assert(
      fc.property(
        scores,
        fc.constantFrom(0.001, 0.5, 7),
        fc.constantFrom(0, 0.125),
        fc.integer(),
        (values, factor, offset, seed) => {
          const plain = fill(bufferOf(40, 4), values);
          const scaled = fill(
            bufferOf(40, 4),
            values.map((value) => factor * value + offset),
          );
          const [one, other] = [createRng(seed), createRng(seed)];
          for (let i = 0; i < 20; i++) expect(scaled.draw(other).key).toBe(plain.draw(one).key);
          expect(scaled.concentration()).toEqual(plain.concentration());
        },
      ),
    );
  });

  test('never collapses: whatever the scores, the buffer counts as much as one without ties', () => {
    fc.assert(
      fc.property(scores, temperatures, (values, inverseTemperature) => {
        const withoutTies = values.map((_, at) => at);
        const least = fill(bufferOf(40, inverseTemperature), withoutTies).concentration().effective;
        const { effective, topTask } = fill(bufferOf(40, inverseTemperature), values).concentration();
        expect(effective).toBeGreaterThanOrEqual(least * (1 - 1e-9));
        expect(effective).toBeLessThanOrEqual(values.length * (1 + 1e-9));
        expect(topTask).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
    // 2/κ of a full buffer, and one outlier does not change it.
    const outlier = Array.from({ length: 256 }, (_, at) => (at === 0 ? 0.25 : 0.01 + at / 1e6));
    expect(fill(bufferOf(256, 8), outlier).concentration().effective).toBeGreaterThan(0.24 * 256);
  });

  test('draws uniformly at κ = 0 and among equal scores, and only the best at a very large κ', () => {
    expect(fill(bufferOf(8, 0), [0, 0.1, 0.2, 0.25]).concentration().effective).toBeCloseTo(4);
    expect(fill(bufferOf(8, 16), [0.1, 0.1, 0.1]).concentration().effective).toBeCloseTo(3);
    const sharp = fill(bufferOf(8, 1e6), [0.1, 0.2, 0.05]);
    const rng = createRng(1);
    for (let i = 0; i < 50; i++) expect(sharp.draw(rng).key).toBe('1');
  });

  // χ²: its 99.9 % point for 15 degrees of freedom is 37.7. The seeds are fixed.
  test.each([1, 4, 16])('follows the weights at κ = %d, also after evictions and updates', (inverseTemperature) => {
    const buffer = bufferOf(16, inverseTemperature);
    const filler = createRng(2);
    for (let i = 0; i < 400; i++) put(buffer, String(filler.int(60)), filler.int(26) / 100);
    const { slots } = buffer.snapshot();
    const expected = plainWeights(
      slots.map(({ score }) => score),
      inverseTemperature,
    );
    const counts = new Map(slots.map(({ key }) => [key, 0]));
    const rng = createRng(3);
    const draws = 40_000;
    for (let i = 0; i < draws; i++) {
      const { key } = buffer.draw(rng);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const chiSquare = slots.reduce((sum, { key }, i) => {
      const mean = draws * (expected[i] as number);
      return sum + ((counts.get(key) as number) - mean) ** 2 / mean;
    }, 0);
    expect(slots).toHaveLength(16);
    expect(chiSquare).toBeLessThan(37.7);
  });

  test('a restored buffer draws as the original, bit for bit, and reports the same', () => {
    fc.assert(
      fc.property(scores, scores, temperatures, fc.integer(), (before, after, inverseTemperature, seed) => {
        const original = fill(bufferOf(12, inverseTemperature, { taskShare: 0.5 }), before);
        const restored = fill(bufferOf(12, inverseTemperature, { taskShare: 0.5 }), [0.2, 0.1]);
        restored.restore(JSON.parse(JSON.stringify(original.snapshot())));
        const [one, other] = [createRng(seed), createRng(seed)];
        after.forEach((value, at) => {
          const taskId = `task ${at % 3}`;
          expect(put(restored, `new ${at}`, value, taskId)).toBe(put(original, `new ${at}`, value, taskId));
          expect(restored.draw(other)).toEqual(original.draw(one));
          expect(restored.concentration()).toEqual(original.concentration());
          expect(restored.metrics()).toEqual(original.metrics());
        });
        expect(restored.snapshot()).toEqual(original.snapshot());
      }),
    );
  });
});

describe('the share of a task', () => {
  const insertions = fc.array(
    fc.record({
      key: fc.nat({ max: 30 }).map(String),
      task: fc.nat({ max: 2 }).map(String),
      score: fc.nat({ max: 5 }).map((fifths) => fifths / 20),
    }),
    { maxLength: 120 },
  );

  test('is never exceeded, and a full task keeps its best entries', () => {
    fc.assert(
      fc.property(
        insertions,
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(0.01, 0.25, 0.5, 1),
        (sequence, capacity, taskShare) => {
          const buffer = bufferOf(capacity, 4, { taskShare });
          const most = Math.max(1, Math.floor(taskShare * capacity));
          for (const { key, task, score } of sequence) {
            const before = buffer.snapshot().slots.filter(({ entry }) => entry.taskId === task);
            const admission = put(buffer, `${task} ${key}`, score, task);
            const own = buffer.snapshot().slots.filter(({ entry }) => entry.taskId === task);
            expect(own.length).toBeLessThanOrEqual(most);
            expect(buffer.size).toBeLessThanOrEqual(capacity);
            if (admission === 'refused' && before.length === most) {
              expect(Math.min(...before.map((slot) => slot.score))).toBeGreaterThan(score);
            }
          }
        },
      ),
    );
  });

  test('lets a task replace its own lowest entry only, though others score less', () => {
    const buffer = bufferOf(4, 4, { taskShare: 0.5 });
    put(buffer, 'low', 0.01, 'b');
    put(buffer, 'one', 0.1, 'a');
    put(buffer, 'two', 0.2, 'a');
    expect(put(buffer, 'three', 0.05, 'a')).toBe('refused');
    expect(put(buffer, 'four', 0.1, 'a')).toBe('inserted');
    expect(buffer.snapshot().slots.map(({ key }) => key)).toEqual(['low', 'four', 'two']);
  });

  test('refuses a share out of range', () => {
    for (const taskShare of [0, -1, 1.1, Number.NaN]) expect(() => bufferOf(2, 4, { taskShare })).toThrow(RangeError);
  });
});

test('a rescored entry keeps entry and age; one that is gone is not rescored', () => {
  const buffer = fill(bufferOf(2, 4), [0.2, 0.1]);
  buffer.rescore('1', { value: 0.25, scoredAt: 9, measured: true });
  buffer.rescore('gone', { value: 0.25, scoredAt: 9, measured: true });
  expect(buffer.snapshot().slots[1]).toEqual({
    key: '1',
    entry: { taskId: '1' },
    score: 0.25,
    scoredAt: 9,
    measured: true,
    insertion: 1,
  });
  expect(buffer.size).toBe(2);
  put(buffer, 'new', 0.22);
  expect(buffer.has('0')).toBe(false);
});
