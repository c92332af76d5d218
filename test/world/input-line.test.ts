/** Reads the lines of test/world/input-line as `generate --input` does. */
import { describe, expect, test } from 'vitest';
import { LineRequests } from '../../src/cli/generate/line-request.js';
import { UsageError } from '../../src/errors.js';
import { formatExact, parseExact } from '../../src/exact-json.js';
import type { GenerateRequest, Sampling } from '../../src/policy/policy.js';
import { defaultSampling } from '../../src/policy/sampling.js';
import { worldRows } from './support/rows.js';

interface Expect {
  /** Part of the message that refuses the line. */
  readonly error?: string;
  /** Settings that differ from the flags' defaults. */
  readonly sampling?: Partial<Sampling>;
  readonly n?: number;
  readonly seed?: number;
  readonly chat?: GenerateRequest['chat'];
  readonly prompt?: unknown;
  /** The prompt as JSON with exact numbers. */
  readonly promptText?: string;
  readonly labels?: object;
}

const settings = {
  n: 1,
  seed: 3,
  sampling: defaultSampling,
  form: { chat: false, system: undefined },
  chat: {},
  addSpecialTokens: true,
  generationConfig: true,
};
const next = (text: string) =>
  new LineRequests(settings).next({ value: parseExact(text) as Record<string, unknown>, place: 'lines.jsonl:7' });

describe('input lines', () => {
  test.each(worldRows<string, Expect>('input-line'))('%s', (_, { input, expect: expected }) => {
    if (expected.error !== undefined) {
      expect(() => next(input)).toThrow(UsageError);
      expect(() => next(input)).toThrow(`lines.jsonl:7: ${expected.error.startsWith('`') ? expected.error : ''}`);
      expect(() => next(input)).toThrow(expected.error);
      return;
    }
    const { request, labels } = next(input);
    const { sampling = {}, n = 1, seed = 3, chat = {}, labels: expectedLabels = {} } = expected;
    expect(request).toMatchObject({ n, seed });
    expect(request.sampling).toEqual({ ...defaultSampling, ...sampling });
    expect(request.chat).toEqual(chat);
    expect(labels).toEqual(expectedLabels);
    if (expected.prompt !== undefined) expect(request.prompt).toEqual(expected.prompt);
    if (expected.promptText !== undefined) expect(formatExact(request.prompt)).toBe(expected.promptText);
  });

  test("a line's id names its random stream, else its place does", () => {
    const line = (value: object, at: number) => ({ value: { prompt: 'p', ...value }, place: `x:${at}` });
    const numbers = (values: readonly object[]): number[] => {
      const requests = new LineRequests(settings);
      return values.map((value, at) => requests.next(line(value, at)).request.requestId);
    };
    const ids = [{ id: 'a' }, { id: 'b' }, { id: 2 }, {}];
    const [a, b, two, fourth] = numbers(ids);
    expect(numbers([...ids].reverse())).toEqual([expect.any(Number), two, b, a]);
    expect(numbers([{ id: 'b' }])).toEqual([b]);
    expect(numbers([{}, {}, {}, {}])[3]).toBe(fourth);
    expect(new Set([a, b, two, ...numbers([{}, {}, {}, {}])]).size).toBe(7);
    expect(() => numbers([{ id: 'a' }, { id: 'b' }, { id: 'a' }])).toThrow('x:2: `id` "a" is already that of x:0');
  });
});
