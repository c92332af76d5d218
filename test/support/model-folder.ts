/** Copies fixture models and changes them, for tests of refused folders. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { LocalPolicy } from '../../src/policy/local-policy.js';

const models = join(dirname(fileURLToPath(import.meta.url)), '../golden/models');

/** Copies a fixture model; the copy is removed when the test ends. */
export function copyModel(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-model-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(models, name), folder, { recursive: true });
  return folder;
}

/** Sets keys of a JSON file; undefined removes a key. */
export function changeJson(folder: string, file: string, changes: Readonly<Record<string, unknown>>): void {
  const path = join(folder, file);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

/** Returns the error of loading a folder; undefined when it loads. */
export async function loadError(folder: string): Promise<unknown> {
  try {
    const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    await policy.close();
    return undefined;
  } catch (error) {
    return error;
  }
}
