/** `exit-rl doctor --model`: what a model takes of memory, said before it is loaded. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { MemoryReport } from '../../src/cli/doctor/memory.js';
import { modelFolder } from '../golden/support.js';
import { runCli } from './support/cli.js';

const model = modelFolder('llama-bias');

async function report(...flags: string[]): Promise<MemoryReport['estimate']> {
  const { stdout, stderr, code } = await runCli(['doctor', '--json', '--device', 'cpu', '--model', model, ...flags]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout).estimate;
}

describe('exit-rl doctor --model', () => {
  test('counts weights, moments and caches', async () => {
    const [fp32, bf16] = [await report(), await report('--dtype', 'bfloat16', '--state-dtype', 'bfloat16')];
    expect(fp32.parameters).toBe(18016);
    expect(fp32.weights).toBe(4 * 18016);
    expect(fp32.optimizer).toBe(8 * 18016);
    expect(fp32.backend).toBe('kernels');
    expect(fp32.packed).toBeGreaterThan(fp32.weights);
    expect(bf16.weights).toBe(6 * 18016);
    expect(bf16.gradient).toBe(2 * 18016);
    expect(bf16.optimizer).toBe(4 * 18016);
    expect(bf16.backend).toBe('torch');
    expect(fp32.peakUpdate).toBeGreaterThan(fp32.peakLoad);
  });

  test('follows the batch', async () => {
    const few = await report('--batch', '1', '--group-size', '4', '--prompt-tokens', '20', '--max-new-tokens', '10');
    const more = await report('--batch', '1', '--group-size', '8', '--prompt-tokens', '20', '--max-new-tokens', '20');
    for (const term of ['kvCache', 'activations', 'logits'] as const) expect(more[term]).toBeGreaterThan(few[term]);
    expect(more.weights).toBe(few.weights);
  });

  test('an adapter trains little and keeps its base', async () => {
    const [full, adapter] = [
      await report('--dtype', 'bfloat16'),
      await report('--dtype', 'bfloat16', '--lora-rank', '4'),
    ];
    expect(adapter.optimizer).toBeLessThan(full.optimizer / 2);
    expect(adapter.adapter).toBeGreaterThan(0);
    expect(adapter.weights).toBe(2 * 18016);
  });

  test('reads well, and refuses what it cannot read', async () => {
    const { stdout, code } = await runCli(['doctor', '--model', model]);
    expect(code).toBe(0);
    for (const part of ['18,016 parameters', 'weights', 'optimizer', 'KV cache', 'generating', 'updating']) {
      expect(stdout).toContain(part);
    }
    const missing = await runCli(['doctor', '--model', join(model, 'nowhere')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('config.json');
    const wrong = await runCli(['doctor', '--model', model, '--state-dtype', 'int8']);
    expect(wrong.code).toBe(2);
  });
});
