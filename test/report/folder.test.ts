import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { RunFolderError } from '../../src/errors.js';
import { parseMetrics, readReportFolder } from '../../src/report/run-data.js';
import { copyOfFixture, emptyFolder, fixture } from './support.js';

/** Returns the error of a promise that must reject. */
async function failureOf(promise: Promise<unknown>): Promise<RunFolderError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!RunFolderError.isInstance(error)) throw new Error(`not a RunFolderError: ${String(error)}`);
  return error;
}

describe('metrics.jsonl', () => {
  test('null becomes a gap, an incomplete last line is skipped, the later of two lines of an update counts', () => {
    const text = '{"update":2,"reward":1}\n{"update":1,"reward":null}\n\n{"update":2,"reward":3}\n{"update":3,"rew';
    const lines = parseMetrics(text, 'metrics.jsonl');
    expect(lines.map((line) => [line.get('update'), line.get('reward')])).toEqual([
      [1, undefined],
      [2, 3],
    ]);
  });

  test('a complete last line counts even without its line end', () => {
    expect(parseMetrics('{"update":1}\n{"update":2}', 'm').length).toBe(2);
  });

  test.each([
    ['{"update":1}\n{"update":\n{"update":3}\n', 2, /not JSON/],
    ['{"update":1}\n{"reward":1}\n', 2, /update/],
    ['[1]\n', 1, /object/],
  ])('a damaged line %j is an error with its place', (text, line, reason) => {
    const read = Promise.resolve().then(() => parseMetrics(text, 'metrics.jsonl'));
    return failureOf(read).then((error) => {
      expect(error.message).toMatch(new RegExp(`^metrics.jsonl:${line}: `));
      expect(error.message).toMatch(reason);
      expect(error.fields).toMatchObject({ file: 'metrics.jsonl', line });
    });
  });
});

describe('folders', () => {
  test('a comparison is read with its runs, a run with its evaluation', async () => {
    const data = await readReportFolder(fixture);
    expect(data.kind === 'comparison' && data.runs.map(({ method, seed }) => `${method} ${seed}`)).toEqual([
      'grpo 1',
      'grpo 2',
      'exit 1',
      'exit 2',
    ]);
    const run = await readReportFolder(path.join(fixture, 'exit-1'));
    expect(run.kind === 'run' && run.evaluation?.k).toEqual([0, 1, 2, 3, 4]);
    expect(run.kind === 'run' && run.metrics.length).toBe(20);
  });

  test('a run without a finished update is read', async () => {
    const folder = await copyOfFixture();
    const run = path.join(folder, 'exit-1');
    await Promise.all(['metrics.jsonl', 'evaluation.json'].map((name) => rm(path.join(run, name))));
    expect(await readReportFolder(run)).toMatchObject({ metrics: [], evaluation: undefined });
  });

  test('a missing folder, or one that holds no run, is an error with a fix', async () => {
    const empty = await emptyFolder();
    expect((await failureOf(readReportFolder(path.join(empty, 'none')))).message).toMatch(/none: does not exist/);
    expect((await failureOf(readReportFolder(empty))).message).toMatch(/is empty/);
    const file = path.join(fixture, 'comparison.json');
    expect((await failureOf(readReportFolder(file))).message).toMatch(/is a file/);
  });

  test('a damaged JSON file is an error with file and line', async () => {
    const folder = await copyOfFixture();
    const file = path.join(folder, 'exit-1', 'config.json');
    await writeFile(file, '{\n  "method": "exit",\n  oops\n}\n');
    expect((await failureOf(readReportFolder(folder))).message).toContain(`${file}:3: is not JSON`);
  });

  test('a value of the wrong type is an error with its key', async () => {
    const folder = await copyOfFixture();
    const file = path.join(folder, 'comparison.json');
    const comparison = JSON.parse(await readFile(file, 'utf8'));
    comparison.rows[1].evaluation.solved = 'many';
    await writeFile(file, JSON.stringify(comparison));
    const { message } = await failureOf(readReportFolder(folder));
    expect(message).toContain(file);
    expect(message).toContain('rows.1.evaluation.solved');
  });

  test('a row that points outside the folder is refused; a row without its folder is listed as missing', async () => {
    const folder = await copyOfFixture();
    const file = path.join(folder, 'comparison.json');
    const comparison = JSON.parse(await readFile(file, 'utf8'));
    comparison.rows[1].run = 'gone';
    await writeFile(file, JSON.stringify(comparison));
    expect(await readReportFolder(folder)).toMatchObject({ missing: ['gone'] });
    for (const run of ['../elsewhere', '/etc']) {
      comparison.rows[1].run = run;
      await writeFile(file, JSON.stringify(comparison));
      expect((await failureOf(readReportFolder(folder))).message).toContain('outside');
    }
  });

  test('a metrics.jsonl that is a folder is an error with its name', async () => {
    const folder = await copyOfFixture();
    const file = path.join(folder, 'exit-2', 'metrics.jsonl');
    await rm(file);
    await mkdir(file);
    expect((await failureOf(readReportFolder(folder))).message).toContain(`${file}: cannot be read`);
  });

  test('the report can be written while a line is being appended', async () => {
    const folder = await copyOfFixture();
    await appendFile(path.join(folder, 'exit-1', 'metrics.jsonl'), '{"update": 21, "rewa');
    const run = await readReportFolder(path.join(folder, 'exit-1'));
    expect(run.kind === 'run' && run.metrics.length).toBe(20);
  });
});
