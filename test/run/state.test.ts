import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RunFolderError } from '../../src/errors.js';
import { readState, serialiseState, stateName } from '../../src/run/state.js';

test('a checkpoint of an earlier format is refused by that field, since its scores have no age', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'exit-rl-state-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, stateName);
  const state = { curriculum: { kind: 'uniform' } } as never;
  await writeFile(file, serialiseState(state));
  expect(await readState(folder)).toMatchObject({ curriculum: { kind: 'uniform' } });
  await writeFile(file, JSON.stringify({ ...(state as object), format: 2 }));
  await expect(readState(folder)).rejects.toSatisfy(
    (error) =>
      RunFolderError.isInstance(error) && /field format: the checkpoint has 2.*reads 3.*wrote it/.test(error.message),
  );
});
