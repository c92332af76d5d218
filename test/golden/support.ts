/** Reads fixtures, model folders and saved weights for the golden tests; scripts/goldens/make.py makes the fixtures. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Chat, createChat } from '../../src/chat/conversation.js';
import { crossing, type NativeTokenizer, native } from '../../src/native.js';
import { LocalPolicy, type LocalPolicyOptions } from '../../src/policy/local-policy.js';
import type { OptimizerSettings, TrainingSequence, UpdateBatch, UpdateSettings } from '../../src/policy/policy.js';
import { defaultUpdate, supervisedObjective } from '../../src/policy/settings.js';

export const modelNames = [
  'llama-tied',
  'llama-head-dim',
  'llama3-rope',
  'qwen2',
  'qwen3',
  'llama-linear',
  'llama-yarn',
  'mistral',
  'qwen2-window',
  'llama-bias',
  'qwen3-bias',
] as const;

/** Absolute path of a file under test/golden. */
export const goldenPath = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const modelFolder = (name: string): string => goldenPath(`models/${name}`);

/** The model of an adapter of the fixtures: the first part of its name. */
export const baseOf = (adapter: string): string => adapter.split('+')[0] as string;

export const adapterFolder = (name: string): string => goldenPath(`adapters/${name}`);

export function readGolden<Content>(name: string): Content {
  return JSON.parse(readFileSync(goldenPath(name), 'utf8')) as Content;
}

/** Our kernels, and libtorch as on every other device; both must give the same numbers. */
export const backends = ['kernels', 'torch'] as const;
export type Backend = (typeof backends)[number];

/** Opens a fixture model (or a folder) on one CPU thread in fp32, and closes it when the test ends. */
export async function openPolicy(
  nameOrFolder: string,
  options: LocalPolicyOptions & { backend?: Backend } = {},
): Promise<LocalPolicy> {
  const folder = nameOrFolder.startsWith('/') ? nameOrFolder : modelFolder(nameOrFolder);
  const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1, ...options });
  onTestFinished(() => policy.close());
  return policy;
}

/** Makes a folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'exit-rl-golden-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A batch of the fixtures: the product's with plain lists. */
export interface PlainBatch {
  readonly prompts: readonly (readonly number[])[];
  readonly sequences: readonly {
    readonly prompt: number;
    readonly tokens: readonly number[];
    readonly rollout: number;
    readonly advantage: number;
    readonly mask?: readonly number[];
    readonly logprobs?: readonly number[];
  }[];
}

export function toBatch({ prompts, sequences }: PlainBatch): UpdateBatch {
  return {
    prompts: prompts.map((prompt) => Int32Array.from(prompt)),
    sequences: sequences.map(
      ({ tokens, mask, logprobs, ...rest }): TrainingSequence => ({
        ...rest,
        tokens: Int32Array.from(tokens),
        ...(mask && { mask: Uint8Array.from(mask) }),
        ...(logprobs && { behaviourLogprobs: Float32Array.from(logprobs) }),
      }),
    ),
  };
}

/** Makes a batch for log-probabilities: each pair is one sequence. */
export function toTokenBatch(
  pairs: readonly { prompt: ArrayLike<number>; completion: ArrayLike<number> }[],
): UpdateBatch {
  return {
    prompts: pairs.map(({ prompt }) => Int32Array.from(prompt)),
    sequences: pairs.map(({ completion }, index) => ({
      prompt: index,
      tokens: Int32Array.from(completion),
      rollout: index,
      advantage: 0,
    })),
  };
}

export const onPolicySettings: UpdateSettings = {
  ...defaultUpdate,
  learningRate: 1e-3,
  adamBeta2: 0.95,
  microbatchTokens: 4096,
};

/** Settings of the fixtures, which are flat on PyTorch's side. */
export interface GoldenSettings extends OptimizerSettings {
  readonly microbatchTokens: number;
  readonly objective: { readonly kind: 'supervised' } | GoldenObjective;
}

interface GoldenObjective {
  readonly kind: 'grpo';
  readonly clipEpsilonLow: number;
  readonly clipEpsilonHigh: number;
  readonly beta: number;
  readonly normalisation: 'sequence-mean' | 'token-mean' | 'constant';
  readonly maxCompletionLength: number;
  readonly temperature: number;
  readonly epochs: number;
  readonly useRolloutLogprobs: boolean;
  readonly entropyCoefficient?: number;
}

/** Converts the settings of a fixture to those of an update. */
export function toSettings({ objective, ...optimizer }: GoldenSettings): UpdateSettings {
  if (objective.kind === 'supervised') return { ...defaultUpdate, ...optimizer, objective: supervisedObjective };
  const plain = defaultUpdate.objective;
  const { clipEpsilonLow: low, clipEpsilonHigh: high, normalisation: kind, maxCompletionLength: length } = objective;
  return {
    ...{ ...defaultUpdate, ...optimizer, temperature: objective.temperature },
    objective: {
      ...plain,
      loss: { kind: 'clip', low, high, delta: null, dual: null },
      kl: { ...plain.kl, beta: objective.beta },
      entropy: { ...plain.entropy, coefficient: objective.entropyCoefficient ?? 0 },
      normalisation: kind === 'constant' ? { kind, length } : { kind },
      oldPolicy: objective.useRolloutLogprobs ? 'behaviour' : 'trainer',
      batchEpochs: objective.epochs,
    },
  };
}

/** Reads the weights of a folder by name, from one file or shards, in F32, BF16 or F16. */
export function readWeights(folder: string): Map<string, Float32Array> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return new Map(files.sort().flatMap((name) => [...readWeightFile(join(folder, name))]));
}

function readWeightFile(path: string): Map<string, Float32Array> {
  const file = readFileSync(path);
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<string, WeightEntry>;
  const data = file.subarray(8 + headerLength);
  const weights = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(weights.map(([name, entry]) => [name, toFloats(data, entry)]));
}

interface WeightEntry {
  readonly dtype: string;
  readonly data_offsets: readonly [number, number];
}

function toFloats(data: Buffer, { dtype, data_offsets: [start, end] }: WeightEntry): Float32Array {
  const bytes = Uint8Array.from(data.subarray(start, end));
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  if (dtype === 'F16') return Float32Array.from(new Uint16Array(bytes.buffer), halfToFloat);
  if (dtype !== 'BF16') throw new Error(`dtype ${dtype} is not read here`);
  // bf16 is the upper half of an fp32.
  return new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16).buffer);
}

/** IEEE half precision: 1 sign, 5 exponent, 10 fraction bits. */
function halfToFloat(half: number): number {
  const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Computes the largest |a − b|; infinite when the lengths differ. */
export function largestGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let gap = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    // Math.max keeps a NaN, which must fail the comparison.
    gap = Math.max(gap, difference);
  }
  return gap;
}

/** Computes ‖a − b‖ / ‖b‖; 0 when both are zero. */
export function relativeGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += ((a[i] as number) - (b[i] as number)) ** 2;
    size += (b[i] as number) ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}

/**
 * 1e-6, or a few times what PyTorch's fp32 loses on the same case: its distance from fp64 was measured when the
 * fixture was made (`fp32`), and another order of summation is as far off again.
 */
export const bound = (measured: number): number => Math.max(1e-6, 4 * measured);

export const tokenizerNames = ['llama3', 'qwen2.5', 'qwen3', 'deepseek', 'llama2', 'mistral', 'unigram'] as const;

export interface FixtureTokenizer {
  readonly native: NativeTokenizer;
  encode(texts: readonly string[]): Int32Array[];
  decode(ids: readonly Int32Array[], skipSpecialTokens?: boolean): string[];
}

/** Opens a tokenizer without a model: one of test/golden/tokenizers, or a folder. */
export async function loadTokenizer(nameOrFolder: string): Promise<FixtureTokenizer> {
  const folder = nameOrFolder.startsWith('/') ? nameOrFolder : goldenPath(`tokenizers/${nameOrFolder}`);
  const loaded = await crossing(() => native('cpu').NativeTokenizer.load(folder));
  return {
    native: loaded,
    encode: (texts) => {
      const { tokens, offsets } = loaded.encode([...texts]);
      return texts.map((_, at) => tokens.slice(offsets[at], offsets[at + 1]));
    },
    decode: (ids, skip = false) => {
      const flat = Int32Array.from(ids.flatMap((list) => [...list]));
      const offsets = Uint32Array.from([
        0,
        ...ids.map((_, at) => ids.slice(0, at + 1).reduce((n, l) => n + l.length, 0)),
      ]);
      return loaded.decode(flat, offsets, skip);
    },
  };
}

/** Opens a published chat template with one of the small tokenizers. */
export async function openChat(template: string, tokenizer: string, endTokens: readonly number[] = []): Promise<Chat> {
  const { native } = await loadTokenizer(tokenizer);
  const source = goldenPath(`chat/templates/${template}.jinja`);
  const config = readGolden<Record<string, string>>(`tokenizers/${tokenizer}/tokenizer_config.json`);
  const specialTokens = Object.fromEntries(Object.entries(config).filter(([key]) => key.endsWith('_token')));
  const files = { templates: { default: readFileSync(source, 'utf8') }, specialTokens, source };
  return createChat({ files, tokenizer: native, endTokens });
}
