/** Logits that give no distribution are an error that names model, position and temperature, on both backends. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NonFiniteError } from '../../src/errors.js';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import { backends, openPolicy } from '../golden/support.js';
import { copyModel } from '../support/model-folder.js';
import { changeHeader } from '../support/safetensors.js';

const prompt = [7, 21, 5];
const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A model whose final norm overflows every logit: a model that has diverged. */
function divergedModel(): string {
  const folder = copyModel('llama-tied');
  let start = 0;
  let end = 0;
  const file = join(folder, 'model.safetensors');
  changeHeader(
    file,
    (header) => {
      [start, end] = header['model.norm.weight']?.data_offsets ?? [0, 0];
    },
    (data) => {
      const changed = Buffer.from(data);
      for (let at = start; at < end; at += 4) changed.writeFloatLE(3e38, at);
      return changed;
    },
  );
  return folder;
}

const generate = (policy: LocalPolicy, sampling: object): Promise<unknown> =>
  failure(policy.generate({ prompt, sampling: { maxNewTokens: 4, ...sampling } }));

const score = (policy: LocalPolicy, temperature: number): Promise<unknown> =>
  failure(
    policy.logprobs(
      { prompts: [Int32Array.of(1, 2)], sequences: [{ prompt: 0, tokens: Int32Array.of(7, 8) }] },
      temperature,
    ),
  );

describe.each(backends)('%s', (backend) => {
  test.each([1, 0])('a model that has diverged does not answer at temperature %d', async (temperature) => {
    const folder = divergedModel();
    const policy = await openPolicy(folder, { backend });
    const error = await generate(policy, { temperature });
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ code: 'NON_FINITE', fields: { model: folder, position: 3, temperature } });
    const scored = await score(policy, 1);
    expect(scored).toMatchObject({ code: 'NON_FINITE', fields: { model: folder, position: 2, temperature: 1 } });
  });

  test('truncated sampling and rules see it as well', async () => {
    const policy = await openPolicy(divergedModel(), { backend });
    for (const rule of [{ topK: 3 }, { topP: 0.5 }, { minP: 0.1 }, { repetitionPenalty: 2 }]) {
      expect(await generate(policy, rule), JSON.stringify(rule)).toMatchObject({ code: 'NON_FINITE' });
    }
  });

  test('a temperature too small for fp32 is refused where it overflows, and greedy is 0', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    expect(await generate(policy, { temperature: 1e-40 })).toMatchObject({
      code: 'NON_FINITE',
      fields: { position: 3, temperature: 1e-40 },
    });
    expect(await score(policy, 1e-40)).toMatchObject({ code: 'NON_FINITE', fields: { temperature: 1e-40 } });
    expect(await generate(policy, { temperature: 0 })).toBeUndefined();
  });

  test('log-probabilities at temperature 0 are refused: each is 0 or −∞', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    expect(await score(policy, 0)).toMatchObject({ code: 'INVALID_REQUEST', fields: { key: 'temperature' } });
  });

  test('a small temperature gives log-probabilities beyond the range of e^x', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    const sequences = [{ prompt: 0, tokens: Int32Array.of(7, 8, 9) }];
    const batch = { prompts: [Int32Array.of(1, 2)], sequences };
    const [cold = new Float32Array()] = await policy.logprobs(batch, 0.01);
    const [warm = new Float32Array()] = await policy.logprobs(batch, 0.1);
    for (const [at, value] of cold.entries()) {
      expect(Number.isFinite(value)).toBe(true);
      // Both are (z − max z) / T but for ln Σ, which is below ln 96.
      expect(Math.abs(value - 10 * (warm[at] ?? 0))).toBeLessThan(50);
    }
    expect(Math.min(...cold)).toBeLessThan(-100);
  });

  test('a request whose every token is banned fails alone', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    const all = Array.from({ length: 96 }, (_, token) => token);
    const [banned, free] = await Promise.all([
      generate(policy, { suppressTokens: all }),
      policy.generate({ prompt, sampling: { maxNewTokens: 4 } }),
    ]);
    expect(banned).toMatchObject({ code: 'NON_FINITE' });
    expect(free.completions).toHaveLength(1);
  });
});
