/** Folders that other trainers leave: `--resume` names the program, and the folder that begins a run here. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { requireRun } from '../../src/disk/require-run.js';
import { RunFolderError } from '../../src/errors.js';
import { readReportFolder } from '../../src/report/run-data.js';
import { worldRows } from './support/rows.js';

interface Input {
  readonly folder: string;
  readonly files: readonly string[];
}

interface Expect {
  /** Null where the files tell of no program. */
  readonly program: string | null;
  /** The folder for `--model`, relative to the input's; null where its weights must be converted first. */
  readonly model: string | null;
}

function makeFolder({ folder, files }: Input): string {
  const root = mkdtempSync(join(tmpdir(), 'exit-rl-foreign-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const name of files) {
    const file = join(root, folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, name.endsWith('.json') ? '{"model_type":"llama"}' : '');
  }
  return join(root, folder);
}

const messageOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(RunFolderError.isInstance(error)).toBe(true);
  return (error as Error).message;
};

test.each(worldRows<Input, Expect>('foreign-folder'))('%s', async (_name, { input, expect: { program, model } }) => {
  const path = makeFolder(input);
  const message = await messageOf(requireRun(path));
  expect(message).toContain("is another program's");
  if (program !== null) expect(message).toContain(`of ${program}: `);
  expect(message).toContain(model === null ? 'begin a new run with --model FOLDER' : `--model ${join(path, model)}`);
  const report = await messageOf(readReportFolder(path));
  expect(report).toContain('name the folder of a run or a comparison');
});
