/** Copies fixture models and changes them, for tests of refused folders. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { encodeSafetensors, type NamedTensor } from '../../src/safetensors.js';
import { readWeights } from '../golden/support.js';
import { type Header, readHeader } from './safetensors.js';

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

/** A change of the weights: `alternate` negates every second number, `strip` removes a prefix of all names. */
export type WeightChange = readonly ['copy' | 'rename', string, string] | readonly ['alternate' | 'strip', string];

/** Rewrites model.safetensors in float32 with these changes, in their order. */
export function changeWeights(folder: string, changes: readonly WeightChange[]): void {
  if (changes.length === 0) return;
  const file = join(folder, 'model.safetensors');
  const header = readHeader(file);
  const read = ([name, values]: [string, Float32Array]): NamedTensor => ({
    name,
    values,
    shape: shapeOf(header, name),
  });
  let tensors = [...readWeights(folder)].map(read);
  for (const change of changes) tensors = changed(tensors, change);
  writeFileSync(file, encodeSafetensors(tensors));
}

const shapeOf = (header: Header, name: string): number[] => header[name]?.shape ?? [];

function changed(tensors: readonly NamedTensor[], change: WeightChange): NamedTensor[] {
  const [verb, first, second = ''] = change;
  const found = tensors.find(({ name }) => name === first);
  if (verb === 'strip') {
    return tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(new RegExp(`^${first}`), '') }));
  }
  if (found === undefined) throw new Error(`the fixture has no tensor ${first}`);
  if (verb === 'copy') return [...tensors, { ...found, name: second }];
  const values = verb === 'alternate' ? found.values.map((value, at) => (at % 2 ? -value : value)) : found.values;
  const name = verb === 'rename' ? second : first;
  return tensors.map((tensor) => (tensor === found ? { ...found, name, values } : tensor));
}
