/** Generates random values of the method's types, and freezes values so that any mutation throws. */
import fc from 'fast-check';
import type { History, Iterate } from '../../src/history.js';

export const iterates: fc.Arbitrary<Iterate> = fc
  .record({
    text: fc.string({ maxLength: 6 }),
    tokens: fc.array(fc.nat({ max: 9 }), { maxLength: 4 }),
    quality: fc.double({ min: 0, max: 1, noNaN: true }).map((quality) => quality + 0),
    feedback: fc.option(fc.string({ maxLength: 6 }), { nil: undefined }),
  })
  .map(({ feedback, ...iterate }) => (feedback === undefined ? iterate : { ...iterate, feedback }));

export const histories: fc.Arbitrary<History> = fc.record({
  turns: fc.array(fc.record({ iterates: fc.array(iterates, { minLength: 1, maxLength: 4 }) }), { maxLength: 4 }),
});

/** Freezes the value recursively and returns it. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
