/** Compares answers with columns as data files hold them. */
import { describe, expect, test } from 'vitest';
import { exactMatch } from '../../src/reward/built-in.js';
import type { RewardBatch } from '../../src/reward/reward-batch.js';

type Extract = Parameters<typeof exactMatch>[0]['extract'];

function reward(answer: unknown, text: string, extract: Extract): number | null | undefined {
  const batch = { texts: [text], columns: { answer: [answer] } } as unknown as RewardBatch;
  return exactMatch({ column: 'answer', extract, ignoreCase: false })(batch)[0];
}

describe('exact_match', () => {
  test.each<[unknown, string, Extract, number]>([
    // Parquet's decimals and large integers are texts.
    ['0.3', '0.3', 'text', 1],
    ['0.3', 'It is 0.30.', 'number', 1],
    ['0.3', '0.30000000000000004', 'number', 0],
    ['1E-8', '0.00000001', 'number', 1],
    ['12345678901234567891', '12345678901234567891', 'text', 1],
    ['12345678901234567891', 'x = 12,345,678,901,234,567,891', 'number', 1],
    ['9007199254740993', '9007199254740992', 'number', 0],
    ['2024-01-02 03:04:05.678901', ' 2024-01-02  03:04:05.678901\n', 'text', 1],
    // A number has the text of JavaScript and that of Python.
    [1, '1', 'text', 1],
    [1, '1.0', 'text', 1],
    [1, '1.00', 'text', 0],
    [1, '1.00', 'number', 1],
    [1e-7, '1e-07', 'text', 1],
    [1e-7, 'about 1e-7', 'number', 1],
    [1e-7, '0.0000001', 'number', 1],
    [0.5, 'half: .5', 'number', 1],
    [5, 'see section.5', 'number', 1],
    [-0.5, '-.5', 'number', 1],
    [300000000, '3e8', 'number', 1],
    [7, '007', 'number', 1],
    [12n, '12', 'text', 1],
    [true, 'True', 'text', 1],
    [true, 'true', 'text', 1],
    [true, 'yes', 'text', 0],
    ['long way #### 12', 'so 12.0', 'number', 1],
    ['thus \\boxed{0.30}', '\\boxed{0.30}', 'boxed', 1],
    ['none', 'no number', 'number', 0],
  ])('%s and %s by %s: %i', (answer, text, extract, expected) => {
    expect(reward(answer, text, extract)).toBe(expected);
  });

  test('a row without an answer is not rewarded, and neither is a list', () => {
    expect(reward(null, 'x', 'text')).toBeNull();
    expect(() => reward(['a'], 'a', 'text')).toThrow('the column `answer` holds a list');
    expect(() => reward({ text: 'a' }, 'a', 'text')).toThrow('holds an object');
  });

  test('a column that objects of JavaScript have is absent', () => {
    const batch = { texts: ['x'], columns: {} } as unknown as RewardBatch;
    const match = exactMatch({ column: 'constructor', extract: 'text', ignoreCase: false });
    expect(() => match(batch)).toThrow('there is no column `constructor`');
  });
});
