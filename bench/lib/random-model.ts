/** Writes a random Llama of about 100 million parameters with the shipped tokenizer, tensor by tensor. */
import { copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createRng, type Rng } from '../../src/rng.js';

const shape = { width: 768, layers: 12, heads: 12, hidden: 2048, vocabulary: 16384 };

type Size = readonly number[];

function tensorShapes({ width, layers, hidden, vocabulary }: typeof shape): Record<string, Size> {
  const square = [width, width];
  const layer = {
    'input_layernorm.weight': [width],
    'post_attention_layernorm.weight': [width],
    'self_attn.q_proj.weight': square,
    'self_attn.k_proj.weight': square,
    'self_attn.v_proj.weight': square,
    'self_attn.o_proj.weight': square,
    'mlp.gate_proj.weight': [hidden, width],
    'mlp.up_proj.weight': [hidden, width],
    'mlp.down_proj.weight': [width, hidden],
  };
  const named: Record<string, Size> = {
    'model.embed_tokens.weight': [vocabulary, width],
    'model.norm.weight': [width],
  };
  for (let at = 0; at < layers; at++) {
    for (const [name, size] of Object.entries(layer)) named[`model.layers.${at}.${name}`] = size;
  }
  return named;
}

const elements = (size: Size): number => size.reduce((product, side) => product * side, 1);

/** Draws uniformly in ±0.02·√3, the standard deviation of the usual initialisation; norms are 1. */
function randomWeights(size: Size, rng: Rng): Float32Array {
  const values = new Float32Array(elements(size)).fill(1);
  if (size.length > 1) for (let at = 0; at < values.length; at++) values[at] = (rng.next() - 0.5) * 0.0693;
  return values;
}

/** Writes the folder and returns its number of parameters. */
export function writeRandomModel(folder: string, tiny: string): number {
  mkdirSync(folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(tiny, 'config.json'), 'utf8'));
  const { width, layers, heads, hidden, vocabulary } = shape;
  Object.assign(config, { hidden_size: width, num_hidden_layers: layers, num_attention_heads: heads });
  Object.assign(config, { num_key_value_heads: heads, head_dim: width / heads, intermediate_size: hidden });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, vocab_size: vocabulary }));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) copyFileSync(join(tiny, name), join(folder, name));
  const shapes = Object.entries(tensorShapes(shape));
  let end = 0;
  const header = shapes.map(([name, size]) => {
    const begin = end;
    end += 4 * elements(size);
    return [name, { dtype: 'F32', shape: size, data_offsets: [begin, end] }];
  });
  const text = JSON.stringify(Object.fromEntries(header));
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, Buffer.from(padded)]));
  const rng = createRng(1);
  for (const [, size] of shapes) writeSync(file, new Uint8Array(randomWeights(size, rng).buffer));
  return end / 4;
}
