/** Creates model folders with random weights and one of the tokenizers of test/golden/tokenizers. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { initialWeights } from '../../src/initial-weights.js';
import { createRng } from '../../src/rng.js';
import { encodeSafetensors } from '../../src/safetensors.js';
import { goldenPath } from '../golden/support.js';

/** Creates a small untrained Llama, which is removed when the test ends. */
export function randomModel(tokenizer: string, seed = 1): string {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-random-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(goldenPath(`tokenizers/${tokenizer}`), folder, { recursive: true });
  const { model, added_tokens } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
  const ids = [...(Array.isArray(model.vocab) ? model.vocab.keys() : Object.values<number>(model.vocab))];
  const largest = [...ids, ...added_tokens.map(({ id }: { id: number }) => id)].reduce((a, b) => Math.max(a, b), 0);
  const shape = {
    model_type: 'llama',
    vocab_size: largest + 1,
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
    tie_word_embeddings: true,
  } as const;
  const rest = {
    hidden_act: 'silu',
    max_position_embeddings: 256,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    eos_token_id: 2,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...shape, ...rest }));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(initialWeights(shape, createRng(seed))));
  return folder;
}
