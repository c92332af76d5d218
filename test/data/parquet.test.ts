/** Reads pyarrow's files (scripts/goldens/data.py), and refuses files whose headers declare wrong sizes. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readParquet } from '../../src/data/in-thread.js';
import { defaultLimits } from '../../src/data/limits.js';
import { Collector } from '../../src/data/sink.js';
import { createRng } from '../../src/rng.js';
import { dataFolder, load, problemsOf } from './support.js';

const folder = dataFolder();
const golden = (name: string): string => new URL(`../golden/data/${name}`, import.meta.url).pathname;
const rows = JSON.parse(readFileSync(golden('rows.json'), 'utf8')) as Record<string, unknown>[];

describe("pyarrow's files", () => {
  test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'pages-v2'])('%s', async (name) => {
    const { train } = await load({ train: [golden(`${name}.parquet`)] });
    expect(train.map(({ prompt, columns }) => ({ prompt, ...columns }))).toEqual(rows);
  });

  test('only the columns in use are decompressed', async () => {
    const { train } = await load({ train: [golden('zstd.parquet')], columns: ['answer'] });
    expect(train.map(({ columns }) => columns)).toEqual(rows.map(({ answer }) => ({ answer })));
  });

  test('instants become the text of Python, large integers digits; bytes that are not UTF-8 are a problem of their row', async () => {
    const { train } = await load({ train: [golden('dates.parquet')], columns: ['when', 'large'] });
    expect(train.map(({ columns }) => columns)).toEqual([
      { when: '2026-01-02 03:04:05+00:00', large: Number.MAX_SAFE_INTEGER },
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

describe("Arrow's files", () => {
  const file = golden('repeated-list.arrow');

  test('offsets that go back are refused', async () => {
    const [problem] = await problemsOf({ train: [file] });
    expect(problem?.message).toContain('a list is longer than its column');
  });

  test('values that exceed the limit are refused before they are copied', async () => {
    const [problem] = await problemsOf({ train: [file] }, { totalBytes: 20_000 });
    expect(problem?.message).toContain('its values exceed the limit');
  });

  test('only the columns in use are read', async () => {
    expect((await load({ train: [file], columns: [] })).train).toHaveLength(199);
  });

  test('a file that is cut, or of another format, is a problem', async () => {
    const bytes = readFileSync(file);
    for (const content of [
      bytes.subarray(0, bytes.length / 2),
      Buffer.from('{"prompt":"p"}'),
      Buffer.from('ARROW1\0\0'),
    ]) {
      expect(await problemsOf({ train: [await folder.write('cut.arrow', content)] })).toHaveLength(1);
    }
  });
});

describe('damaged files', () => {
  test('a truncated file, or one of another format, is a problem', async () => {
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

  test('more values or bytes than the limit are refused before decompression', async () => {
    const train = [golden('zstd.parquet')];
    expect((await problemsOf({ train }, { groupValues: 10 }))[0]?.message).toContain('write smaller row groups');
    expect((await problemsOf({ train }, { totalBytes: 300 }))[0]?.message).toContain(
      'decompresses to more than 300 bytes',
    );
  });

  test('a run length that expands to billions of values times out', async () => {
    const path = golden('endless-run.parquet');
    const problems: string[] = [];
    const sink = new Collector<never>(defaultLimits).createSink(path, () => undefined, []);
    const began = performance.now();
    await readParquet(
      path,
      { ...sink, open: true, troubled: false, problem: (message) => void problems.push(message) },
      undefined,
      3,
    );
    expect(problems).toEqual([expect.stringMatching(/took longer than 4 s|memory/)]);
    expect(performance.now() - began).toBeLessThan(60_000);
  });

  test('a file with changed bytes gives rows or a DataError, never another error', async () => {
    const originals = ['none', 'zstd', 'gzip', 'snappy', 'pages-v2'].map((name) =>
      readFileSync(golden(`${name}.parquet`)),
    );
    const rng = createRng(20261125);
    for (let round = 0; round < 30; round++) {
      const bytes = Buffer.from(originals[rng.int(originals.length)] as Buffer);
      for (let change = 0; change <= rng.int(4); change++) bytes[rng.int(bytes.length)] = rng.int(256);
      const path = await folder.write('changed.parquet', bytes);
      // `problemsOf` rethrows anything but a DataError.
      expect(Array.isArray(await problemsOf({ train: [path] }))).toBe(true);
    }
  }, 120_000);
});
