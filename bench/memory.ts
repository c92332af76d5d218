/**
 * npx tsx bench/memory.ts [--json] [--progress]
 *
 * Compares the estimate of `exit-rl doctor --model` with the peak of resident memory (VmHWM) of a child process: random
 * Llama-shaped models, fp32 and bf16, whole and with adapters, loading, generating, updating, and updating after an
 * asynchronous save, on the CPU. Writes bench/results/memory-DATE.json and fails when an estimate is off by more than 15 %.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoraOptions } from '../src/policy/adapters.js';
import { estimateMemory } from '../src/policy/estimate-memory.js';
import { LocalPolicy, type LocalPolicyOptions } from '../src/policy/local-policy.js';
import type { UpdateSettings } from '../src/policy/policy.js';
import { defaultUpdate, supervisedObjective } from '../src/policy/settings.js';
import { describeCommit, describeMachine } from './lib/machine.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const fixture = join(root, 'test/golden/models/llama-tied');
const tolerance = 0.15;

const shapes = {
  small: { vocab_size: 16000, hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 6, num_attention_heads: 6 },
  large: {
    vocab_size: 32000,
    hidden_size: 640,
    intermediate_size: 1728,
    num_hidden_layers: 8,
    num_attention_heads: 10,
  },
};
const workload = { prompts: 2, groupSize: 8, promptTokens: 64, maxNewTokens: 32, microbatchTokens: 4096 };
const threads = 1;

type Stage = 'load' | 'generate' | 'update' | 'save';

/** A model with the options to load it. */
interface Case extends Pick<LocalPolicyOptions, 'dtype' | 'backend' | 'trainable' | 'reference'> {
  readonly shape: keyof typeof shapes;
  readonly stateDtype?: 'float32' | 'bfloat16';
  readonly gradientCheckpointing?: boolean;
  readonly lora?: Omit<LoraOptions, 'alpha'>;
  readonly asynchronousSaving?: boolean;
  readonly stages?: readonly Stage[];
}

const cases: readonly Case[] = [
  { shape: 'large', dtype: 'float32', backend: 'torch' },
  { shape: 'large', dtype: 'float32', backend: 'torch', stateDtype: 'bfloat16' },
  { shape: 'large', dtype: 'bfloat16', backend: 'torch' },
  { shape: 'large', dtype: 'bfloat16', backend: 'torch', trainable: false },
  { shape: 'large', dtype: 'float32', backend: 'torch', gradientCheckpointing: true },
  { shape: 'large', dtype: 'float32', backend: 'torch', lora: { rank: 16 } },
  { shape: 'large', dtype: 'float32', backend: 'torch', lora: { rank: 16, targetModules: ['q_proj', 'v_proj'] } },
  { shape: 'large', dtype: 'bfloat16', backend: 'torch', lora: { rank: 16 } },
  { shape: 'small', dtype: 'float32', backend: 'torch', stages: ['update', 'save'] },
  { shape: 'small', dtype: 'float32', backend: 'torch', reference: true, stages: ['load', 'save'] },
  { shape: 'small', dtype: 'float32', backend: 'torch', asynchronousSaving: false, stages: ['save'] },
  { shape: 'small', dtype: 'bfloat16', backend: 'torch', stateDtype: 'bfloat16', stages: ['save'] },
  { shape: 'small', dtype: 'float32', backend: 'kernels', stages: ['load', 'generate', 'update', 'save'] },
  { shape: 'small', dtype: 'float32', backend: 'kernels', gradientCheckpointing: true, stages: ['update'] },
  { shape: 'small', dtype: 'float32', backend: 'kernels', lora: { rank: 16 } },
];

type Shape = (typeof shapes)[keyof typeof shapes];
type NamedSize = readonly [name: string, size: readonly number[]];

/** Lists the shapes of all weights of a Llama with a tied head. */
function weightShapes({
  vocab_size,
  hidden_size: width,
  intermediate_size: inner,
  num_hidden_layers,
  num_key_value_heads,
}: Shape & { readonly num_key_value_heads: number }): NamedSize[] {
  const key = num_key_value_heads * 64;
  const shapes: NamedSize[] = [
    ['model.embed_tokens.weight', [vocab_size, width]],
    ['model.norm.weight', [width]],
  ];
  for (let layer = 0; layer < num_hidden_layers; layer++) {
    const own = {
      'self_attn.q_proj': [width, width],
      'self_attn.k_proj': [key, width],
      'self_attn.v_proj': [key, width],
      'self_attn.o_proj': [width, width],
      'mlp.gate_proj': [inner, width],
      'mlp.up_proj': [inner, width],
      'mlp.down_proj': [width, inner],
      input_layernorm: [width],
      post_attention_layernorm: [width],
    };
    for (const [name, size] of Object.entries(own)) shapes.push([`model.layers.${layer}.${name}.weight`, size]);
  }
  return shapes;
}

/** Writes a folder with random fp32 weights: numbers in ±0.05, norms about 1. */
function makeModel(shape: Shape, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
    cpSync(join(fixture, name), join(folder, name));
  }
  const heads = shape.num_attention_heads;
  const config = {
    ...shape,
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    head_dim: 64,
    num_key_value_heads: heads / 2,
    max_position_embeddings: 2048,
    tie_word_embeddings: true,
    rms_norm_eps: 1e-6,
    hidden_act: 'silu',
    dtype: 'float32',
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const weights = weightShapes(config);
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, size] of weights) {
    const start = end;
    end += 4 * size.reduce((product, one) => product * one, 1);
    header[name] = { dtype: 'F32', shape: size, data_offsets: [start, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, text]));
  let state = 12345;
  for (const [name, size] of weights) {
    const numbers = new Float32Array(size.reduce((product, one) => product * one, 1));
    for (let at = 0; at < numbers.length; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      numbers[at] = (state / 2 ** 32 - 0.5) * 0.1 + (name.includes('norm') ? 1 : 0);
    }
    writeSync(file, Buffer.from(numbers.buffer));
  }
  closeSync(file);
}

const peakBytes = (): number =>
  1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const settings: UpdateSettings = {
  ...defaultUpdate,
  learningRate: 1e-5,
  microbatchTokens: workload.microbatchTokens,
  objective: supervisedObjective,
};

function optionsOf({ stateDtype = 'float32', lora, ...one }: Case): LocalPolicyOptions {
  const { dtype = 'float32', backend = 'torch', trainable = true, reference = false } = one;
  const adapter = lora && { lora: { alpha: lora.rank, ...lora } };
  return { device: 'cpu', threads, dtype, backend, trainable, reference, optimizer: { stateDtype }, ...adapter };
}

/** Saves twice, each time followed by an update, as a run does. */
async function saveAndGoOn(
  policy: LocalPolicy,
  { asynchronousSaving = true }: Case,
  update: () => Promise<unknown>,
): Promise<void> {
  const out = mkdtempSync(join(tmpdir(), 'exit-rl-memory-save-'));
  try {
    for (const name of ['first', 'second']) {
      const snapshot = await policy.snapshot({ copy: asynchronousSaving });
      const written = snapshot.write(join(out, name));
      if (!asynchronousSaving) await written;
      await update();
      await written;
    }
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** Runs one stage of one case in the child, then prints the peak. */
async function runStage(one: Case, stage: string, folder: string): Promise<never> {
  const policy = await LocalPolicy.load(folder, optionsOf(one));
  const tokens = (count: number, seed: number): Int32Array =>
    Int32Array.from({ length: count }, (_, at) => 5 + ((seed * 7919 + at * 104729) % 90));
  const { prompts, groupSize, promptTokens, maxNewTokens } = workload;
  if (stage === 'generate') {
    const sampling = { temperature: 1, maxNewTokens };
    const request = (requestId: number) => ({
      prompt: [...tokens(promptTokens, requestId)],
      n: groupSize,
      sampling,
      seed: 1,
      requestId,
    });
    await Promise.all(Array.from({ length: prompts }, (_, at) => policy.generate(request(at))));
  }
  if (stage === 'update' || stage === 'save') {
    const sequences = Array.from({ length: prompts * groupSize }, (_, at) => ({
      prompt: Math.floor(at / groupSize),
      tokens: tokens(maxNewTokens, 100 + at),
      rollout: at,
      advantage: (at % 3) - 1,
    }));
    const batch = { prompts: Array.from({ length: prompts }, (_, at) => tokens(promptTokens, at)), sequences };
    const gradientCheckpointing = one.gradientCheckpointing === true;
    const update = () => policy.update(batch, { ...settings, gradientCheckpointing });
    // The second update includes the optimizer's moments, which the first one allocates at its end.
    for (const _ of ['first', 'second']) await update();
    if (stage === 'save') await saveAndGoOn(policy, one, update);
  }
  console.log(JSON.stringify({ peak: peakBytes() }));
  process.exit(0);
}

function measure(one: Case, stage: Stage, folder: string): number {
  const script = fileURLToPath(import.meta.url);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, script, '--child', JSON.stringify(one), stage, folder],
    { encoding: 'utf8' },
  );
  const line = stdout.trim().split('\n').at(-1);
  if (!line) throw new Error(`${JSON.stringify(one)} ${stage}: ${stderr}`);
  return JSON.parse(line).peak;
}

interface Row extends Omit<Case, 'stages'> {
  readonly stage: Stage;
  /** Bytes. */
  readonly estimate: number;
  readonly measured: number;
  readonly ratio: number;
  /** The terms of the estimate, in the last row of a case. */
  readonly terms?: unknown;
}

async function main(): Promise<Row[]> {
  const folders = mkdtempSync(join(tmpdir(), 'exit-rl-memory-'));
  const rows: Row[] = [];
  try {
    for (const [name, shape] of Object.entries(shapes)) makeModel(shape, join(folders, name));
    for (const one of cases) {
      const { stages = one.trainable === false ? ['load', 'generate'] : ['load', 'generate', 'update'], ...described } =
        one;
      const folder = join(folders, one.shape);
      const estimate = await estimateMemory(folder, optionsOf(one), {
        ...workload,
        gradientCheckpointing: one.gradientCheckpointing === true,
        asynchronousSaving: one.asynchronousSaving !== false,
      });
      const { peakLoad: load, peakGenerate: generate, peakUpdate: update, peakSave: save } = estimate;
      const peaks = { load, generate, update, save };
      for (const stage of stages) {
        const measured = measure(one, stage, folder);
        const terms = stage === stages.at(-1) && { terms: estimate };
        rows.push({ ...described, stage, estimate: peaks[stage], measured, ratio: peaks[stage] / measured, ...terms });
        if (process.argv.includes('--progress')) console.error(JSON.stringify(rows.at(-1)));
      }
    }
  } finally {
    rmSync(folders, { recursive: true });
  }
  return rows;
}

const [, , mark, one = '', stage = '', folder = ''] = process.argv;
if (mark === '--child') {
  await runStage(JSON.parse(one) as Case, stage, folder);
} else {
  const rows = await main();
  const result = {
    command: 'npx tsx bench/memory.ts',
    ...describeCommit(),
    machine: describeMachine(),
    workload,
    threads,
    shapes,
    rows,
  };
  if (process.argv.includes('--json')) console.log(JSON.stringify(result));
  else {
    const wordOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));
    const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`.padStart(8);
    for (const { stage, estimate, measured, ratio, terms: _, ...one } of rows) {
      const name = `${Object.values(one).map(wordOf).join(' ')}, ${stage}`.padEnd(48);
      console.log(`${name} estimate ${megabytes(estimate)}   measured ${megabytes(measured)}   ${ratio.toFixed(2)}`);
    }
  }
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(join(root, `bench/results/memory-${date}.json`), `${JSON.stringify(result, null, 2)}\n`);
  process.exitCode = rows.every(({ ratio }) => Math.abs(ratio - 1) <= tolerance) ? 0 : 1;
}
