import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dataFolder, load, problemsOf } from './support.js';

const folder = dataFolder();

const lines = (...rows: unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

describe('JSON Lines', () => {
  test('rows become prompts with all other columns; empty lines, CRLF and a byte order mark are skipped', async () => {
    const text = `\uFEFF${lines({ prompt: 'one', answer: 1 })}\r\n\r\n  \n${lines({ prompt: 'two', answer: { deep: [2] } })}`;
    const { train, test: held } = await load({ train: [await folder.write('plain.jsonl', text)] });
    expect(train).toEqual([
      { prompt: 'one', columns: { answer: 1 } },
      { prompt: 'two', columns: { answer: { deep: [2] } } },
    ]);
    expect(held).toEqual([]);
  });

  test('any rows are read as they were written, wherever the chunks of the file end', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    const row = fc.record({ prompt: text, answer: fc.oneof(text, fc.integer(), fc.constant(null), fc.array(text)) });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
        const path = await folder.write('any.jsonl', lines(...rows));
        const { train } = await load({ train: [path] });
        expect(train).toEqual(rows.map(({ prompt, answer }) => ({ prompt, columns: { answer } })));
      }),
      { numRuns: 60 },
    );
  });

  test('every invalid line is a problem with its place, message and hint', async () => {
    const text = [
      '{"prompt": "fine"}',
      '{"prompt": ',
      '[1]',
      '{"question": "?"}',
      '{"prompt": 7}',
      '{"prompt": ""}',
    ].join('\n');
    const path = await folder.write('bad.jsonl', text);
    const problems = await problemsOf({ train: [path] });
    expect(problems.map(({ place }) => place)).toEqual(['line 2', 'line 3', 'line 4', 'line 5', 'line 6']);
    expect(problems.every(({ file }) => file === path)).toBe(true);
    expect(problems[2]).toMatchObject({
      message: expect.stringContaining('`question`'),
      hint: expect.stringContaining('promptColumn'),
    });
  });

  test('reading stops after twenty problems', async () => {
    const path = await folder.write('all-bad.jsonl', '{}\n'.repeat(100_000));
    expect(await problemsOf({ train: [path] })).toHaveLength(20);
  });

  test('bytes that are not UTF-8 are a problem of their line', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"prompt":"a"}\n{"prompt":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n'),
    ]);
    const path = await folder.write('latin.jsonl', bytes);
    expect(await problemsOf({ train: [path] })).toMatchObject([{ place: 'line 2', message: 'is not valid UTF-8' }]);
  });

  test('an endless line is refused at the size limit of a row', async () => {
    const path = folder.at('endless.jsonl');
    // 10 GiB of zeros that take no room on the disk.
    execFileSync('truncate', ['-s', '10G', path]);
    const began = performance.now();
    expect(await problemsOf({ train: [path] })).toMatchObject([{ place: 'line 1', message: 'is longer than 16 MiB' }]);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test('nesting deep enough to overflow the stack is refused', async () => {
    const deep = `{"prompt":"a","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const path = await folder.write('deep.jsonl', deep);
    expect((await problemsOf({ train: [path] }))[0]?.message).toContain('nested more than 64 deep');
  });

  test('reading stops at the limits of rows and bytes', async () => {
    const path = await folder.write(
      'many.jsonl',
      lines(...Array.from({ length: 50 }, (_, at) => ({ prompt: `p${at}` }))),
    );
    expect((await problemsOf({ train: [path] }, { rows: 10 }))[0]?.message).toBe('more than 10 rows');
    expect((await problemsOf({ train: [path] }, { totalBytes: 100 }))[0]?.message).toContain('more than 100 bytes');
  });

  test('a column named __proto__ is a column like any other', async () => {
    const path = await folder.write('proto.jsonl', '{"prompt":"a","__proto__":{"polluted":true}}');
    const { train } = await load({ train: [path] });
    expect(Object.keys(train[0]?.columns ?? {})).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('JSON', () => {
  test('a file holds a list of objects, or JSON Lines', async () => {
    const list = await folder.write('list.json', ` ${JSON.stringify([{ prompt: 'a' }, 3])}`);
    expect(await problemsOf({ train: [list] })).toMatchObject([{ place: 'entry 2' }]);
    const same = await folder.write('lines.json', lines({ prompt: 'a' }, { prompt: 'b' }));
    expect((await load({ train: [same] })).train).toHaveLength(2);
  });
});

describe('CSV', () => {
  test('values may contain quotes, separators and line ends; every value is text', async () => {
    const text = 'prompt,answer,note\r\n"a, ""b""\nc",007,\r\nd,é漢🙂,x\r\n';
    const { train } = await load({ train: [await folder.write('plain.csv', `\uFEFF${text}`)] });
    expect(train).toEqual([
      { prompt: 'a, "b"\nc', columns: { answer: '007', note: '' } },
      { prompt: 'd', columns: { answer: 'é漢🙂', note: 'x' } },
    ]);
    const tabs = await folder.write('plain.tsv', 'prompt\tanswer\na,b\t1\n');
    expect((await load({ train: [tabs] })).train).toEqual([{ prompt: 'a,b', columns: { answer: '1' } }]);
  });

  test.each([
    ['a row with another number of values', 'prompt,answer\na,1\nb\nc,1,2\n', ['line 3', 'line 4']],
    ['a quote that is never closed', 'prompt,answer\n"a,1\nb,2\n', ['line 2']],
  ])('%s is a problem with its place', async (_, text, places) => {
    const path = await folder.write('bad.csv', text);
    expect((await problemsOf({ train: [path] })).map(({ place }) => place)).toEqual(places);
  });

  test('a record that never ends, of one value or of separators alone, is refused', async () => {
    const quoted = await folder.write('quoted.csv', `prompt\n"${'a\n'.repeat(30_000)}`);
    expect(await problemsOf({ train: [quoted] }, { recordBytes: 10_000 })).toHaveLength(1);
    const commas = await folder.write('commas.csv', `prompt,b\n${','.repeat(100_000)}`);
    expect(await problemsOf({ train: [commas] }, { recordBytes: 10_000 })).toMatchObject([
      { message: 'has a line that is too long for a row' },
    ]);
  });

  test('any records are read as they were written, wherever the chunks of the file end', async () => {
    const value = fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', 'é', '🙂', ' '), maxLength: 12 });
    const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    // The text before the records moves the end of the first chunk, of one MiB, through them.
    const property = fc.asyncProperty(
      fc.array(fc.record({ prompt: value, answer: value, end: fc.constantFrom('\n', '\r\n', '\r') }), { minLength: 1 }),
      fc.nat(40),
      async (records, shift) => {
        const rows = records.map(({ prompt, answer }) => ({ prompt: `p${prompt}`, columns: { answer } }));
        const written = records.map(({ prompt, answer, end }) => `${quote(`p${prompt}`)},${quote(answer)}${end}`);
        const filler = `${'x'.repeat(2 ** 20 - 60 + shift)},1\n`;
        const path = await folder.write('chunks.csv', `prompt,answer\n${filler}${written.join('')}`);
        expect((await load({ train: [path] })).train.slice(1)).toEqual(rows);
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test('bytes that are not UTF-8 are a problem', async () => {
    const path = await folder.write('latin.csv', Buffer.from([...Buffer.from('prompt\n'), 0xe9, 0x0a]));
    expect(await problemsOf({ train: [path] })).toMatchObject([{ message: 'is not valid UTF-8' }]);
  });
});

describe('files', () => {
  test('missing, empty, irregular and unsupported files are all reported at once', async () => {
    await mkdir(folder.at('empty'), { recursive: true });
    execFileSync('mkfifo', [folder.at('pipe.jsonl')]);
    await mkdir(folder.at('folder.jsonl'), { recursive: true });
    await symlink('/dev/zero', folder.at('zero.jsonl'));
    const empty = await folder.write('empty.jsonl', '');
    const blank = await folder.write('blank.jsonl', '\n\n');
    const other = await folder.write('weights.bin', 'x');
    const train = [folder.at('absent.jsonl'), folder.at('pipe.jsonl'), folder.at('folder.jsonl')];
    const problems = await problemsOf({
      train: [...train, folder.at('zero.jsonl'), empty, blank, other, folder.at('empty')],
    });
    expect(problems.map(({ message }) => message)).toEqual([
      'no such file',
      'is not a regular file',
      'matches no data file',
      'is not a regular file',
      'is empty',
      'has an unsupported format',
      'matches no data file',
      'contains no rows',
    ]);
  });

  test('file names assign the files of a folder to splits; a pattern takes its matches in order', async () => {
    await mkdir(folder.at('set/data'), { recursive: true });
    for (const name of ['train-00001.jsonl', 'train-00000.jsonl', 'test.jsonl']) {
      await folder.write(`set/data/${name}`, lines({ prompt: name }));
    }
    await folder.write('set/README.md', 'text');
    const { train, test: held } = await load({ train: [folder.at('set')] });
    expect(train.map(({ prompt }) => prompt)).toEqual(['train-00000.jsonl', 'train-00001.jsonl']);
    expect(held.map(({ prompt }) => prompt)).toEqual(['test.jsonl']);
    const matched = await load({ train: [folder.at('set/**/train-*.jsonl')] });
    expect(matched.train).toEqual(train);
    expect(await problemsOf({ train: [folder.at('set/no-*.csv')] })).toMatchObject([
      { message: 'matches no data file' },
    ]);
  });

  test('the seed holds out exactly the requested share of rows, in order and without duplicates', async () => {
    const rows = Array.from({ length: 101 }, (_, at) => ({ prompt: `p${at}` }));
    const train = [await folder.write('split.jsonl', lines(...rows))];
    const first = await load({ train, testShare: 0.1 });
    expect([first.train.length, first.test.length]).toEqual([90, 11]);
    expect([...first.train, ...first.test].map(({ prompt }) => prompt).sort()).toEqual(
      rows.map(({ prompt }) => prompt).sort(),
    );
    expect(await load({ train, testShare: 0.1 })).toEqual(first);
    expect(await load({ train, testShare: 0.1, splitSeed: 1 })).not.toEqual(first);
  });

  test('100,000 rows are read within seconds', async () => {
    const rows = Array.from(
      { length: 100_000 },
      (_, at) => `{"prompt":[{"role":"user","content":"${'x'.repeat(200)}"}],"answer":${at}}`,
    );
    const path = await folder.write('large.jsonl', rows.join('\n'));
    const began = performance.now();
    expect((await load({ train: [path] })).train).toHaveLength(100_000);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
