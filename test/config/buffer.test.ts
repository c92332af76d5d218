/** The sections that shape replay: buffer and score. */
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError, type ConfigProblem } from '../../src/errors.js';

const base = { task: 'reds', model: 'm' };
const parse = (sections: object) => parseConfig({ ...base, ...sections });

function problemsOf(sections: object): readonly ConfigProblem[] {
  try {
    parse(sections);
  } catch (error) {
    if (ConfigError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

test('replay is by rank by default, without a cap per task and without base tasks', () => {
  const { buffer, score } = parse({});
  expect(buffer).toEqual({
    capacity: 512,
    minimumFill: 128,
    priority: { kind: 'rank', inverseTemperature: 4 },
    taskShare: 1,
    baseStarts: false,
  });
  expect(score).toEqual({ overlong: 'include', unreadable: 'include' });
});

test('the name of a priority selects it with its own κ, and κ alone belongs to the default kind', () => {
  expect(parse({ buffer: { priority: 'absolute' } }).buffer.priority).toEqual({
    kind: 'absolute',
    inverseTemperature: 80,
  });
  expect(parse({ buffer: { priority: { inverseTemperature: 8 } } }).buffer.priority).toEqual({
    kind: 'rank',
    inverseTemperature: 8,
  });
});

describe('problems', () => {
  test('the key of earlier versions is refused with the new one and the kind that has its scale', () => {
    expect(problemsOf({ buffer: { inverseTemperature: 80 } })).toEqual([
      {
        key: 'buffer.inverseTemperature',
        message: 'is now buffer.priority.inverseTemperature',
        hint: expect.stringContaining('kind: absolute'),
      },
    ]);
  });

  test.each([
    [{ buffer: { taskShare: 0 } }, 'buffer.taskShare'],
    [{ buffer: { taskShare: 1.5 } }, 'buffer.taskShare'],
    [{ buffer: { priority: { inverseTemperature: -1 } } }, 'buffer.priority.inverseTemperature'],
    [{ buffer: { priority: 'ranks' } }, 'buffer.priority.kind'],
    [{ score: { overlong: 'drop' } }, 'score.overlong'],
  ])('%j is refused by its key', (sections, key) => {
    expect(problemsOf(sections).map((problem) => problem.key)).toEqual([key]);
  });
});
