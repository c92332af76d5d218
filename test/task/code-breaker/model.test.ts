import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRng } from '../../../src/rng.js';
import { writeInitialModel } from '../../../src/task/code-breaker/model.js';
import { vocabulary } from '../../../src/task/code-breaker/words.js';

interface Stored {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Reads safetensors by the specification, independently of the writer. */
function readSafetensors(bytes: Buffer): Map<string, Stored> {
  const length = Number(bytes.readBigUInt64LE());
  const { __metadata__, ...entries } = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  expect(__metadata__).toEqual({ format: 'pt' });
  const data = bytes.subarray(8 + length);
  return new Map(
    Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(entries).map(([name, entry]) => {
      expect(entry.dtype).toBe('F32');
      const [from, to] = entry.data_offsets;
      const values = Float32Array.from({ length: (to - from) / 4 }, (_, index) => data.readFloatLE(from + 4 * index));
      return [name, { shape: entry.shape, values }];
    }),
  );
}

let folder: string;
let tensors: Map<string, Stored>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-model-'));
  await writeInitialModel(join(folder, 'one'), createRng(1));
  tensors = readSafetensors(await readFile(join(folder, 'one', 'model.safetensors')));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const values = (name: string): Float32Array => tensors.get(name)?.values ?? new Float32Array();
const deviation = (numbers: Float32Array): number =>
  Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0) / numbers.length);
const vector = (word: string): Float32Array => {
  const row = vocabulary.indexOf(word) * 64;
  return values('model.embed_tokens.weight').subarray(row, row + 64);
};
const difference = (one: string, other: string): number[] =>
  [...vector(one)].map((value, index) => value - (vector(other)[index] ?? 0));

function expectClose(one: readonly number[], other: readonly number[]): void {
  for (const [index, value] of one.entries()) expect(Math.abs(value - (other[index] ?? NaN))).toBeLessThan(1e-6);
}

describe('the weights', () => {
  test('are 205,696 numbers, as many as their shapes hold', () => {
    const sizes = [...tensors.values()].map((tensor) => tensor.values.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(205_696);
    for (const { shape, values: numbers } of tensors.values()) {
      expect(shape.reduce((product, length) => product * length, 1)).toBe(numbers.length);
    }
    expect(tensors.size).toBe(2 + 4 * 9);
  });

  test.each([
    ['model.layers.0.self_attn.q_proj.weight', 0.1],
    ['model.layers.3.mlp.up_proj.weight', 0.1],
    ['model.layers.1.self_attn.o_proj.weight', 0.08],
    ['model.layers.2.mlp.down_proj.weight', 0.08],
  ])('%s is normal with deviation %d', (name, expected) => {
    const numbers = values(name);
    expect(Math.abs(deviation(numbers) / expected - 1)).toBeLessThan(0.05);
    const beyond = numbers.filter((value) => Math.abs(value) > 1.96 * expected).length / numbers.length;
    expect(Math.abs(beyond - 0.05)).toBeLessThan(0.012);
  });

  test('layers differ, norms are one', () => {
    expect(values('model.layers.0.mlp.up_proj.weight')).not.toEqual(values('model.layers.1.mlp.up_proj.weight'));
    expect(new Set(values('model.norm.weight'))).toEqual(new Set([1]));
  });

  test('a colour word is the sum of its slot, its colour and its mark', () => {
    expectClose(difference('a1', 'a4'), difference('e1', 'e4'));
    expectClose(difference('b2=', 'b2'), difference('d6=', 'd6'));
    expectClose(difference('c3~', 'd3~'), difference('c?', 'd?'));
    expect(deviation(Float32Array.from(difference('b2x', 'b2=')))).toBeGreaterThan(0.02);
    expect(deviation(vector('a?'))).toBeLessThan(0.045);
  });
});

describe('the folder', () => {
  test('is the same for the same seed', async () => {
    await writeInitialModel(join(folder, 'again'), createRng(1));
    await writeInitialModel(join(folder, 'other'), createRng(2));
    const bytes = (name: string) => readFile(join(folder, name, 'model.safetensors'));
    expect((await bytes('again')).equals(await bytes('one'))).toBe(true);
    expect((await bytes('other')).equals(await bytes('one'))).toBe(false);
  });

  test('has the special words at the ids of its config', async () => {
    const read = async (name: string) => JSON.parse(await readFile(join(folder, 'one', name), 'utf8'));
    const { model } = await read('tokenizer.json');
    const { bos_token, eos_token, pad_token } = await read('tokenizer_config.json');
    const config = await read('config.json');
    expect(Object.keys(model.vocab)).toHaveLength(config.vocab_size);
    expect([bos_token, eos_token, pad_token].map((word) => model.vocab[word])).toEqual([
      config.bos_token_id,
      config.eos_token_id,
      config.pad_token_id,
    ]);
  });
});
