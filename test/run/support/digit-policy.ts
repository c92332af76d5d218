/** A policy with ten weights, one per digit, that samples, learns and saves like a real one. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Embedder } from '../../../src/embedder/embedder.js';
import { CancelledError, NonFiniteError } from '../../../src/errors.js';
import {
  type Generated,
  type GenerateRequest,
  type Policy,
  type PolicySnapshot,
  trainingFile,
  type UpdateBatch,
  type UpdateSettings,
  type WrittenFile,
} from '../../../src/policy/policy.js';
import { createRng } from '../../../src/rng.js';

const zero = '0'.charCodeAt(0);

/** Writes as the engine does, without flushing. */
export async function writeAndDescribe(folder: string, name: string, content: string): Promise<WrittenFile> {
  await writeFile(join(folder, name), content);
  return { name, size: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

export class DigitPolicy implements Policy {
  version = 0;
  weights = new Array<number>(10).fill(0);
  reference = [...this.weights];
  momentum = 0;
  readonly blends: number[] = [];
  readonly settings: UpdateSettings[] = [];
  readonly batches: UpdateBatch[] = [];
  /** Called before each generation and update; may throw, or abort a signal. */
  before: (verb: 'generate' | 'update') => void = () => {};
  /** Updates (counted from 1) that report a number that is not finite. */
  nonFinite = new Set<number>();
  private updates = 0;

  static async load(folder: string): Promise<DigitPolicy> {
    const policy = new DigitPolicy();
    policy.weights = JSON.parse(await readFile(join(folder, 'model.safetensors'), 'utf8'));
    return policy;
  }

  async generate(request: GenerateRequest): Promise<Generated> {
    this.before('generate');
    await Promise.resolve();
    if (request.signal?.aborted) throw new CancelledError();
    const rng = createRng(request.seed).fork('digit', request.requestId);
    const total = this.weights.reduce((sum, weight) => sum + Math.exp(weight), 0);
    const completions = Array.from({ length: request.n }, (_, completion) => {
      const digit = this.digitAt(rng.fork('completion', completion).next() * total);
      const tokens = Int32Array.of(zero + digit);
      const logprobs = Float32Array.of((this.weights[digit] ?? 0) - Math.log(total));
      return { tokens, logprobs, text: String(digit), finishReason: 'stop' as const };
    });
    return { promptTokens: Int32Array.from(String(request.prompt), (letter) => letter.charCodeAt(0)), completions };
  }

  /** Draws the digit at `place` of the cumulative softmax. */
  private digitAt(place: number): number {
    let end = 0;
    for (const [digit, weight] of this.weights.entries()) {
      end += Math.exp(weight);
      if (place < end) return digit;
    }
    return this.weights.length - 1;
  }

  async logprobs(): Promise<Float32Array[]> {
    return [];
  }

  async update(batch: UpdateBatch, settings: UpdateSettings, signal?: AbortSignal): Promise<Record<string, number>> {
    this.before('update');
    if (signal?.aborted) throw new CancelledError();
    this.updates += 1;
    if (this.nonFinite.has(this.updates)) throw new NonFiniteError('NON_FINITE', 'the loss is NaN');
    this.batches.push(batch);
    this.settings.push(settings);
    this.momentum = 0.5 * this.momentum + settings.learningRate;
    for (const { tokens, advantage } of batch.sequences) {
      const digit = (tokens[0] ?? zero) - zero;
      this.weights[digit] = (this.weights[digit] ?? 0) + (advantage * this.momentum) / batch.sequences.length;
    }
    this.version += 1;
    return { loss: this.weights[0] ?? 0, grad_norm: this.momentum, entropy: 1 };
  }

  async blendReference(alpha: number): Promise<void> {
    this.blends.push(this.version);
    this.reference = this.reference.map((old, at) => (1 - alpha) * old + alpha * (this.weights[at] ?? 0));
  }

  async save(folder: string): Promise<readonly WrittenFile[]> {
    await mkdir(folder, { recursive: true });
    const files = { 'config.json': '{}', 'model.safetensors': JSON.stringify(this.weights) };
    return Promise.all(Object.entries(files).map(([name, content]) => writeAndDescribe(folder, name, content)));
  }

  async snapshot(): Promise<PolicySnapshot> {
    const files = {
      'config.json': '{}',
      'model.safetensors': JSON.stringify(this.weights),
      [trainingFile]: JSON.stringify({ momentum: this.momentum, reference: this.reference }),
    };
    return {
      write: (folder) =>
        Promise.all(Object.entries(files).map(([name, content]) => writeAndDescribe(folder, name, content))),
    };
  }

  async loadTraining(file: string): Promise<void> {
    const { momentum, reference } = JSON.parse(await readFile(file, 'utf8'));
    this.momentum = momentum;
    this.reference = reference;
  }

  async close(): Promise<void> {}
}

/** An embedder with one dimension per digit. */
export const digitEmbedder: Embedder = {
  dimension: 10,
  async embed(inputs) {
    const rows = inputs.map(({ text }) =>
      Array.from({ length: 10 }, (_, digit) => text.split(String(digit)).length - 1),
    );
    return Float32Array.from(rows.flat());
  },
};
