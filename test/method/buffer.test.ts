import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Admission, Buffer, type BufferSettings } from '../../src/method/buffer.js';
import type { PrioritySettings } from '../../src/method/priority.js';
import { createRng } from '../../src/rng.js';

interface Insertion {
  readonly key: string;
  readonly score: number;
}

// Few keys and few scores: updates and ties are common.
const insertions: fc.Arbitrary<Insertion[]> = fc.array(
  fc.record({ key: fc.nat({ max: 30 }).map(String), score: fc.nat({ max: 5 }).map((fifths) => fifths / 20) }),
  { maxLength: 120 },
);
const capacities = fc.integer({ min: 1, max: 12 });

interface Entry {
  readonly taskId: string;
}

const bufferOf = (
  capacity: number,
  inverseTemperature = 20,
  kind: PrioritySettings['kind'] = 'absolute',
  settings: Partial<BufferSettings> = {},
): Buffer<Entry> => new Buffer({ capacity, priority: { kind, inverseTemperature }, ...settings });
/** Inserts an entry of a task of its own, with a measured score. */
const put = (buffer: Buffer<Entry>, key: string, value: number, measured = true, scoredAt = 0): Admission =>
  buffer.insert(key, { taskId: key }, { value, scoredAt, measured });
const scoresOf = (buffer: Buffer<Entry>): Map<string, number> =>
  new Map(buffer.snapshot().slots.map(({ key, score }) => [key, score]));

/** Algorithm 1's rule written down as plainly as possible: a list in order of insertion. */
function insertPlainly(list: Insertion[], { key, score }: Insertion, capacity: number): Insertion[] {
  if (list.some((one) => one.key === key)) return list.map((one) => (one.key === key ? { key, score } : one));
  if (list.length < capacity) return [...list, { key, score }];
  const minimum = Math.min(...list.map((one) => one.score));
  if (score < minimum) return list;
  const oldest = list.findIndex((one) => one.score === minimum);
  return [...list.filter((_, i) => i !== oldest), { key, score }];
}

describe('insert', () => {
  test('holds the entries of the plain rule after every insertion', () => {
    fc.assert(
      fc.property(capacities, insertions, (capacity, sequence) => {
        const buffer = bufferOf(capacity);
        let plain: Insertion[] = [];
        for (const one of sequence) {
          put(buffer, one.key, one.score);
          plain = insertPlainly(plain, one, capacity);
          expect(buffer.size).toBeLessThanOrEqual(capacity);
          expect(scoresOf(buffer)).toEqual(new Map(plain.map(({ key, score }) => [key, score])));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('admits every entry below capacity, even with score 0', () => {
    const buffer = bufferOf(2);
    expect([put(buffer, 'a', 0.2), put(buffer, 'b', 0)]).toEqual(['inserted', 'inserted']);
  });

  test('admits a tie at capacity, and evicts the oldest of equal minima', () => {
    const buffer = bufferOf(3);
    for (const key of ['a', 'b', 'c']) put(buffer, key, 0.1);
    expect(put(buffer, 'd', 0.1)).toBe('inserted');
    expect(buffer.has('a')).toBe(false);
    expect(put(buffer, 'e', 0.09)).toBe('refused');
    expect([...scoresOf(buffer).keys()].sort()).toEqual(['b', 'c', 'd']);
  });

  test('a new score updates the entry in place, without a duplicate or a new age', () => {
    const buffer = bufferOf(2);
    put(buffer, 'a', 0.1);
    put(buffer, 'b', 0.1);
    expect(buffer.insert('a', { taskId: 'other' }, { value: 0.1, scoredAt: 4, measured: true })).toBe('updated');
    expect(buffer.size).toBe(2);
    expect(buffer.snapshot().slots[0]).toMatchObject({ key: 'a', entry: { taskId: 'a' }, scoredAt: 4, insertion: 0 });
    put(buffer, 'c', 0.1);
    expect(buffer.has('a')).toBe(false);
  });

  test('evicts an entry with a lowered score next, and keeps one with a raised score', () => {
    const buffer = bufferOf(2);
    put(buffer, 'a', 0.2);
    put(buffer, 'b', 0.1);
    put(buffer, 'b', 0.25);
    put(buffer, 'c', 0.2);
    expect([...scoresOf(buffer).keys()]).toEqual(['c', 'b']);
  });

  test('an inherited score does not replace a measured one, a measured one replaces any', () => {
    const buffer = bufferOf(2);
    put(buffer, 'a', 0.1, false);
    expect(put(buffer, 'a', 0.2, false)).toBe('updated');
    expect(put(buffer, 'a', 0.05, true)).toBe('updated');
    expect(put(buffer, 'a', 0.2, false)).toBe('kept');
    expect(scoresOf(buffer).get('a')).toBe(0.05);
    expect(put(buffer, 'a', 0.01, true)).toBe('updated');
    expect(scoresOf(buffer).get('a')).toBe(0.01);
  });

  test('refuses scores that are not finite', () => {
    for (const score of [Number.NaN, Infinity]) expect(() => put(bufferOf(2), 'a', score)).toThrow(RangeError);
  });
});

describe('draw', () => {
  // χ²: its 99.9 % points for 15 degrees of freedom is 37.7. The seeds are fixed.
  test.each([0, 1, 20, 80])(
    'follows softmax(κ·S) at κ = %d, also after evictions and updates',
    (inverseTemperature) => {
      const buffer = bufferOf(16, inverseTemperature);
      const filler = createRng(2);
      for (let i = 0; i < 400; i++) put(buffer, String(filler.int(60)), filler.int(26) / 100);
      const { slots } = buffer.snapshot();
      const weights = slots.map(({ score }) => Math.exp(inverseTemperature * score));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = new Map(slots.map(({ key }) => [key, 0]));
      const rng = createRng(3);
      const draws = 40_000;
      for (let i = 0; i < draws; i++) {
        const { key } = buffer.draw(rng);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      const chiSquare = slots.reduce((sum, { key }, i) => {
        const expected = (draws * (weights[i] as number)) / total;
        return sum + ((counts.get(key) as number) - expected) ** 2 / expected;
      }, 0);
      expect(slots).toHaveLength(16);
      expect(chiSquare).toBeLessThan(37.7);
    },
  );

  test('stays exact after a million changes of score', () => {
    const drifted = bufferOf(8, 1000);
    const filler = createRng(4);
    for (let i = 0; i < 1_000_000; i++) put(drifted, String(i & 7), i < 999_992 ? filler.next() : (i & 7) / 32);
    const fresh = bufferOf(8, 1000);
    for (let i = 0; i < 8; i++) put(fresh, String(i), i / 32);
    const [one, other] = [createRng(5), createRng(5)];
    for (let i = 0; i < 1000; i++) expect(drifted.draw(one).key).toBe(fresh.draw(other).key);
  });

  test('overflows and underflows at no inverse temperature', () => {
    for (const scores of [
      [0, 0, 0],
      [0, 0.25, 0.25],
      [-700, -701, -702],
    ]) {
      const buffer = bufferOf(5, 1e6);
      scores.forEach((score, i) => {
        put(buffer, String(i), score);
      });
      const highest = Math.max(...scores);
      const rng = createRng(6);
      for (let i = 0; i < 50; i++) expect(buffer.draw(rng).score).toBe(highest);
    }
  });

  test('draws only stored entries, whatever the capacity', () => {
    fc.assert(
      fc.property(capacities, insertions, fc.integer(), (capacity, sequence, seed) => {
        const buffer = bufferOf(capacity, 500);
        const rng = createRng(seed);
        for (const { key, score } of sequence) {
          put(buffer, key, score);
          expect(buffer.has(buffer.draw(rng).key)).toBe(true);
        }
      }),
    );
  });

  test('refuses to draw from an empty buffer', () => {
    expect(() => bufferOf(3).draw(createRng(0))).toThrow(RangeError);
  });
});

describe('snapshot and restore', () => {
  test('the restored buffer draws, admits and evicts as the original', () => {
    fc.assert(
      fc.property(capacities, insertions, insertions, fc.integer(), (capacity, before, after, seed) => {
        const original = bufferOf(capacity);
        for (const { key, score } of before) put(original, key, score);
        const restored = bufferOf(capacity);
        put(restored, 'left over', 1);
        restored.restore(JSON.parse(JSON.stringify(original.snapshot())));
        const [one, other] = [createRng(seed), createRng(seed)];
        for (const { key, score } of after) {
          expect(put(restored, key, score)).toBe(put(original, key, score));
          expect(restored.draw(other)).toEqual(original.draw(one));
        }
        expect(restored.snapshot()).toEqual(original.snapshot());
      }),
    );
  });

  test('a snapshot does not change with its buffer', () => {
    const buffer = bufferOf(2);
    put(buffer, 'a', 0.1);
    const snapshot = buffer.snapshot();
    put(buffer, 'b', 0.2);
    put(buffer, 'a', 0.25);
    expect(snapshot.slots).toEqual([
      { key: 'a', entry: { taskId: 'a' }, score: 0.1, scoredAt: 0, measured: true, insertion: 0 },
    ]);
  });

  test('refuses a snapshot larger than the capacity', () => {
    const large = bufferOf(3);
    for (const key of ['a', 'b', 'c']) put(large, key, 0.1);
    expect(() => bufferOf(2).restore(large.snapshot())).toThrow(RangeError);
  });
});

test('metrics report fill and scores', () => {
  const buffer = bufferOf(4);
  expect(Object.values(buffer.metrics())).toEqual([0, 0, 0, 0, 0, 0]);
  put(buffer, 'a', 0.05);
  put(buffer, 'b', 0.15, false);
  const [mean, max, min] = [expect.closeTo(0.1), 0.15, 0.05];
  expect(buffer.metrics()).toEqual({
    'buffer/size': 2,
    'buffer/tasks': 2,
    'buffer/measured_share': 0.5,
    'buffer/score_mean': mean,
    'buffer/score_max': max,
    'buffer/score_min': min,
  });
});

test('a draw and an insertion of a full buffer read O(log N) entries', () => {
  // Reads of scores are counted: times would be noise on a busy machine.
  const steps = (capacity: number): number => {
    let reads = 0;
    const buffer = bufferOf(capacity, 1);
    for (let i = 0; i < capacity; i++) put(buffer, String(i), (i * 7919) % capacity);
    const { slots } = buffer.snapshot();
    const counted = slots.map((slot) => ({
      ...slot,
      get score() {
        reads += 1;
        return slot.score;
      },
    }));
    buffer.restore({ slots: counted, insertions: capacity });
    reads = 0;
    for (let i = 0; i < 100; i++) put(buffer, `new ${i}`, capacity + i);
    return reads / 100;
  };
  expect(steps(4096)).toBeLessThan(12 * 12);
  expect(steps(4096) / steps(256)).toBeLessThan(2);
});

test('refuses a capacity or inverse temperature out of range', () => {
  for (const capacity of [0, -1, 1.5, Number.NaN]) expect(() => bufferOf(capacity)).toThrow(RangeError);
  for (const heat of [-1, Number.NaN, Infinity]) expect(() => bufferOf(2, heat)).toThrow(RangeError);
});
