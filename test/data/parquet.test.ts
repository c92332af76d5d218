/** Parquet against pyarrow's files (scripts/goldens/data.py), and against files that lie about their size. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dataFolder, load, problemsOf } from './support.js';

const folder = dataFolder();
const golden = (name: string): string => new URL(`../golden/data/${name}`, import.meta.url).pathname;
const rows = JSON.parse(readFileSync(golden('rows.json'), 'utf8')) as Record<string, unknown>[];

describe("pyarrow's files", () => {
  test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'pages-v2'])('%s', async (name) => {
    const { train } = await load({ train: [golden(`${name}.parquet`)] });
    expect(train.map(({ prompt, columns }) => ({ prompt, ...columns }))).toEqual(rows);
  });

  test('only the columns that are looked at are unpacked', async () => {
    const { train } = await load({ train: [golden('zstd.parquet')], columns: ['answer'] });
    expect(train.map(({ columns }) => columns)).toEqual(rows.map(({ answer }) => ({ answer })));
  });

  test('dates are text, large integers digits; bytes that are no text are a problem of their row', async () => {
    const { train } = await load({ train: [golden('dates.parquet')], columns: ['when', 'large'] });
    expect(train.map(({ columns }) => columns)).toEqual([
      { when: '2026-01-02T03:04:05.000Z', large: Number.MAX_SAFE_INTEGER },
      { when: null, large: String(2n ** 62n) },
    ]);
    expect(await problemsOf({ train: [golden('dates.parquet')] })).toMatchObject([
      {
        place: 'row group 1, row 2',
        message: expect.stringContaining('UTF-8'),
        hint: expect.stringContaining('data.columns'),
      },
    ]);
  });
});

describe('damaged files', () => {
  test('what is no Parquet, or cut off, is a problem', async () => {
    const bytes = readFileSync(golden('zstd.parquet'));
    for (const [name, content] of [
      ['text', Buffer.from('PAR1 and then nothing')],
      ['cut', bytes.subarray(0, bytes.length - 9)],
      ['short', Buffer.from('PAR1')],
      ['footer', Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0x7f]), Buffer.from('PAR1')])],
    ] as const) {
      const path = await folder.write(`${name}.parquet`, content);
      expect(await problemsOf({ train: [path] })).toHaveLength(1);
    }
  });

  test('more values than the limit, or more bytes than the limit, are refused before they are unpacked', async () => {
    const train = [golden('zstd.parquet')];
    expect((await problemsOf({ train }, { groupValues: 10 }))[0]?.message).toContain('write smaller row groups');
    expect((await problemsOf({ train }, { totalBytes: 300 }))[0]?.message).toContain('unpacks to more than 300 bytes');
  });

  test('whatever bytes are changed, the rows come or a problem does, in time', async () => {
    const originals = ['none', 'zstd', 'gzip', 'snappy', 'pages-v2'].map((name) =>
      readFileSync(golden(`${name}.parquet`)),
    );
    const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
    const changes = fc.array(change, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), changes, async (original, list) => {
        const bytes = Buffer.from(original);
        for (const { at, value } of list) bytes[at % bytes.length] = value;
        const path = await folder.write('changed.parquet', bytes);
        const began = performance.now();
        // Rows that come are prompts; anything but a DataError is thrown on by `problemsOf`.
        expect(Array.isArray(await problemsOf({ train: [path] }))).toBe(true);
        expect(performance.now() - began).toBeLessThan(2000);
      }),
      { numRuns: 400 },
    );
  });
});
