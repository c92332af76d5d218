/** `exit-rl doctor --model`: estimates the memory of a model without loading it. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { MemoryReport } from '../../src/cli/doctor/model-memory.js';
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

  test('estimates more memory for a larger batch', async () => {
    const few = await report('--batch', '1', '--group-size', '4', '--prompt-tokens', '20', '--max-new-tokens', '10');
    const more = await report('--batch', '1', '--group-size', '8', '--prompt-tokens', '20', '--max-new-tokens', '20');
    for (const term of ['kvCache', 'activations', 'logits'] as const) expect(more[term]).toBeGreaterThan(few[term]);
    expect(more.weights).toBe(few.weights);
  });

  test('counts the parameters of an adapter and its base', async () => {
    const [full, adapter] = [
      await report('--dtype', 'bfloat16'),
      await report('--dtype', 'bfloat16', '--lora-rank', '4'),
    ];
    expect(adapter.optimizer).toBeLessThan(full.optimizer / 2);
    expect(adapter.adapter).toBeGreaterThan(0);
    expect(adapter.weights).toBe(2 * 18016);
  });

  test('counts the copy of asynchronous saving', async () => {
    const [copied, halved, lent] = [
      await report('--reference'),
      await report('--state-dtype', 'bfloat16'),
      await report('--no-asynchronous-saving'),
    ];
    expect(copied.saveCopy).toBe(16 * 18016);
    expect(halved.saveCopy).toBe(8 * 18016);
    expect(copied.peakSave).toBe(copied.peakUpdate + copied.saveCopy);
    expect([lent.saveCopy, lent.peakSave]).toEqual([0, lent.peakUpdate]);
    const { saveCopy, optimizer } = await report('--lora-rank', '4');
    expect(saveCopy).toBe((optimizer / 8) * 12);
  });

  test("counts only the adapter's target modules", async () => {
    const all = await report('--lora-rank', '4');
    const two = await report('--lora-rank', '4', '--lora-target-modules', 'q_proj,v_proj');
    expect(two.optimizer).toBeLessThan(all.optimizer / 2);
    expect(two.adapter).toBeLessThan(all.adapter / 2);
    const flags = ['doctor', '--device', 'cpu', '--model', model, '--lora-target-modules', 'q_projj'];
    const wrong = await runCli([...flags, '--lora-rank', '4']);
    expect(wrong.code).not.toBe(0);
    expect(wrong.stderr).toContain('q_projj');
    expect((await runCli(flags)).stderr).toContain('--lora-rank');
  });

  test('prints lines for a person, and refuses an unreadable folder', async () => {
    const { stdout, code } = await runCli(['doctor', '--model', model]);
    expect(code).toBe(0);
    for (const part of [
      '18,016 parameters',
      'weights',
      'optimizer',
      'KV cache',
      'generating',
      'updating',
      'asynchronous save',
    ]) {
      expect(stdout).toContain(part);
    }
    const missing = await runCli(['doctor', '--model', join(model, 'nowhere')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('config.json');
    const wrong = await runCli(['doctor', '--model', model, '--state-dtype', 'int8']);
    expect(wrong.code).toBe(2);
  });
});
