/** An embedder on this machine: a sentence-transformers folder on the native engine, with a cache before it. */
import {
  cancellable,
  crossing,
  crossingNow,
  type Dtype,
  type EmbedderInfo,
  type NativeEmbedder,
  native,
  resolveDtype,
} from '../native.js';
import { type CacheStatistics, contentKey, VectorCache } from './cache.js';

export interface LocalEmbedderOptions {
  /** `auto` (CUDA where it can be used), `cpu`, `cuda` or `cuda:N`. */
  readonly device?: string;
  /** `auto` is float32 on the CPU and bfloat16 elsewhere. */
  readonly dtype?: Dtype;
  /** CPU threads; 0 takes all cores. */
  readonly threads?: number;
  readonly backend?: 'auto' | 'kernels' | 'torch';
  /** A text put in front of every text, for example `query: `; overrides `promptName`. */
  readonly prompt?: string | undefined;
  /** One of the folder's own prompts; without both, the folder's default. */
  readonly promptName?: string | undefined;
  /** Cuts texts after this many tokens, when that is earlier than the folder says. */
  readonly maxTokens?: number | undefined;
  /** Vectors kept for texts that come again; 0 keeps none. */
  readonly cacheSize?: number;
}

/** Vectors that an embedder keeps for texts that come again. */
export const defaultCacheSize = 8192;

/** Texts that cross to the engine together: it sorts them by length, and the JavaScript thread copies them in an instant. */
const textsAtOnce = 512;

/** The options about texts that were given. */
function textOptions({ prompt, promptName, maxTokens }: LocalEmbedderOptions) {
  return {
    ...(prompt !== undefined && { prompt }),
    ...(promptName !== undefined && { promptName }),
    ...(maxTokens !== undefined && { maxTokens }),
  };
}

export class LocalEmbedder {
  private closing: Promise<void> | undefined;
  private readonly running = new Set<Promise<unknown>>();
  readonly dimension: number;

  private constructor(
    private readonly engine: NativeEmbedder,
    private readonly cache: VectorCache,
  ) {
    this.dimension = engine.info().dimension;
  }

  /** Loads a folder. @throws ModelFolderError, DeviceError, InvalidRequestError, OutOfMemoryError. */
  static async load(folder: string, options: LocalEmbedderOptions = {}): Promise<LocalEmbedder> {
    const { device = 'auto', dtype = 'auto', threads = 0, backend = 'auto', cacheSize = defaultCacheSize } = options;
    const engine = await crossing(() => {
      const choice = { device, dtype: resolveDtype(dtype, device), threads, backend, ...textOptions(options) };
      return native(device).NativeEmbedder.load(folder, choice);
    });
    return new LocalEmbedder(engine, new VectorCache(cacheSize));
  }

  info(): EmbedderInfo {
    return crossingNow(() => this.engine.info());
  }

  cacheStatistics(): CacheStatistics {
    return this.cache.statistics();
  }

  /** One vector a text, row-major `[texts, dimension]`; equal texts are computed once. */
  async embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array> {
    const work = this.embedAll(texts, signal);
    this.running.add(work);
    try {
      return await work;
    } finally {
      this.running.delete(work);
    }
  }

  private async embedAll(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array> {
    const keys = texts.map(contentKey);
    const vectors = new Map<string, Float32Array>();
    const missing = new Map<string, string>();
    keys.forEach((key, at) => {
      const known = this.cache.get(key);
      if (known) vectors.set(key, known);
      else missing.set(key, texts[at] ?? '');
    });
    for (const [key, vector] of await this.compute([...missing], signal)) {
      vectors.set(key, vector);
      this.cache.set(key, vector);
    }
    const flat = new Float32Array(texts.length * this.dimension);
    keys.forEach((key, at) => {
      flat.set(vectors.get(key) ?? [], at * this.dimension);
    });
    return flat;
  }

  private async compute(
    missing: readonly (readonly [string, string])[],
    signal: AbortSignal | undefined,
  ): Promise<(readonly [string, Float32Array])[]> {
    const found: (readonly [string, Float32Array])[] = [];
    for (let start = 0; start < missing.length; start += textsAtOnce) {
      const part = missing.slice(start, start + textsAtOnce);
      const texts = part.map(([, text]) => text);
      const flat = await cancellable(signal, (ticket) => this.engine.embed(texts, ticket));
      part.forEach(([key], at) => {
        found.push([key, flat.slice(at * this.dimension, (at + 1) * this.dimension)]);
      });
    }
    return found;
  }

  /** Frees the embedder after the work before it; closing again is the same close. Other calls then fail with PolicyClosedError. */
  close(): Promise<void> {
    this.closing ??= Promise.allSettled([...this.running]).then(() => {
      this.cache.clear();
      return crossing(() => this.engine.close());
    });
    return this.closing;
  }
}
